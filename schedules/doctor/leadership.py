"""Examines who leads, and for how long: no leader, one in trouble, one that is lost again and again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from schedules.doctor.findings import Case, Facts, Finding, Severity
from schedules.models import Leadership
from worker.messages.pages import address

LATELY = timedelta(minutes=10)
MOST_LOST = 5
"""More terms than this, lost within `LATELY`, are too many."""
REMEDIES = {
    "two-projects": "Give each project a database or a schema of its own, or start --leader with one settings module.",
    "no-leader": f"Keep two such processes running, as under systemd: {address('how-to/deploy.md')} has a unit.",
    "leader-trouble": "Ticks go on by themselves 30 s after the jump. Check NTP on the database's host.",
}


def leader(case: Case) -> Iterator[Finding]:
    lead = case.health.leader
    found = [problem for problem in case.health.problems if problem.code in REMEDIES]
    for problem in found:
        yield Finding(problem.code, Severity.ERROR, problem.message, remedy=REMEDIES[problem.code])
    if lead is not None:
        in_vain = "" if case.health.schedules else ", and there is no schedule"
        yield Finding(
            "leader",
            Severity.OK,
            f"{lead.name} leads{in_vain}.",
            {
                "term": lead.term,
                "lock": lead.lock,
                "leads for": case.now - lead.started_at,
                "renewed before": case.now - lead.renewed_at,
            },
        )
    elif not found:
        yield Finding("leader", Severity.OK, "No process leads, and no schedule needs one.")


def terms(case: Case) -> Iterator[Finding]:
    """A term that was given up is no loss: plain cron may begin and end one each minute."""
    begun = Leadership.objects.using(case.using).filter(started_at__gte=case.now - LATELY)
    lost = begun.filter(ended_at=None)
    if case.health.leader is not None:
        lost = lost.exclude(pk=case.health.leader.term)
    facts: Facts = {"lost": lost.count(), "begun": begun.count(), "within": LATELY}
    if lost.count() <= MOST_LOST:
        yield Finding("terms", Severity.OK, "The lead changes rarely.", facts)
        return
    names = lost.order_by("leader").values_list("leader", flat=True).distinct()
    yield Finding(
        "flapping",
        Severity.WARNING,
        "Leaders have lost the lead again and again.",
        {**facts, "leaders": ", ".join(names[:5])},
        "Read what these processes logged as lost: the server ends a session that is silent for 3 s (a host that "
        "is overloaded or suspended), and so may a proxy or a pooler with a shorter limit; or they crash.",
    )
