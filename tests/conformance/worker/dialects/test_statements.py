"""The decision on statements shows what is sent, whole: `docs/adr/0013-the-statements.md`.

What is shown there differs from what is sent in blanks, in comments and in what `_shown` leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections, transaction

from schedules.leader.glance import glance
from schedules.leader.lock import lock_on
from schedules.occurrences.materialize import Authority
from schedules.scheduler import tick
from tests.conformance.model.virtual import VirtualClock
from tests.conformance.worker.dialects.statements import sent
from tests.conformance.worker.queue.jobs import ALIAS, another_session, new, somebody
from tests.documents import page
from tests.schedules.recurrence.moments import at
from worker import queue, wakeup
from worker.chores import Chores
from worker.dialects import dialect_of
from worker.outcomes import Succeeded
from worker.values import Ended

DECISION = page("adr/0013-the-statements.md")
TITLES = {"postgresql": "PostgreSQL", "mysql": "MariaDB", "sqlite": "SQLite"}

pytestmark = pytest.mark.only_on(*TITLES)


@pytest.fixture(autouse=True)
def _mariadb(database: None) -> None:
    if not getattr(connection, "mysql_is_mariadb", True):
        pytest.skip("What MySQL is sent differs a little from what MariaDB is.")


def test_a_claim_is_what_its_decision_shows() -> None:
    for name in ("mail", "other"):
        queue.enqueue_many([new(n, queue=name) for n in range(8)], ALIAS)

    worker = somebody()

    with another_session() as using, sent(using) as statements:
        queue.claim(using, worker, 2)
        queue.claim(using, worker, 2, ["mail"])
        queue.claim(using, worker, 2, ["mail", "other"], without_tasks=["shop.new"], with_suspects=False)
        if dialect_of(connections[using]).claims.keeps_places:
            queue.claim(using, worker, 2, beyond={0: 1})

    assert _shown(statements) == _shown_under("Claim")


def test_an_ack_is_what_its_decision_shows() -> None:
    queue.enqueue_many([new(n) for n in range(2)], ALIAS)
    one, other = queue.claim(ALIAS, somebody(), 2)
    runs = [
        Ended(one, Succeeded(), at("10:00"), at("10:01")),
        Ended(other, Succeeded(), at("10:02"), at("10:03")),
    ]

    with another_session() as using, sent(using) as statements:
        queue.ack(using, runs, "host:1")

    assert _shown(statements) == _shown_under("Ack")


@pytest.mark.only_on("postgresql")
def test_the_success_of_an_atomic_run_is_what_its_decision_shows() -> None:
    queue.enqueue(new(), ALIAS)
    (job,) = queue.claim(ALIAS, somebody(), 1)

    with another_session() as using, transaction.atomic(using=using):
        mark = queue.mark(using)
        # A private session sends values apart, so it commits by itself. Those of jobs are as the project has them.
        with sent(using) as statements:
            assert queue.ack_marked(using, Ended(job, Succeeded(), at("10:00"), at("10:01")), "host:1", mark)

    assert [*_shown(statements), "COMMIT"] == _shown_under("The success of an atomic run")


def test_a_tick_is_what_its_decision_shows(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chores that are done now and then are left out: to rescue and to prune."""
    for name in ("a", "b"):
        clock.declared(name, repeat=60)
    chores = Chores()
    monkeypatch.setattr(chores, "keep", lambda *_: None)

    with another_session() as using, _led(using) as authority:
        wakeup.told.forget()
        with sent(using) as statements:
            glance(using)
            tick(using, at("10:01"), chores, authority)

    assert _shown(statements) == _shown_under("Tick")


@contextmanager
def _led(using: str) -> Iterator[Authority]:
    lock = lock_on(using)
    assert lock.acquire()
    try:
        yield Authority(term=1, prove=lock.prove)
    finally:
        lock.release()


def _shown(statements: Iterable[str]) -> list[str]:
    """Without the quotes of names, without a table before a column that keeps its name, and with single blanks.

    What is prepared is shown as it would be sent otherwise, and no more is shown when it is executed.
    """
    plain = (re.sub(r'["`]', "", each).replace("%%", "%") for each in statements if "; EXECUTE " not in each)
    plain = (re.sub(r"\$\d+", "%s", re.sub(r"^PREPARE \w+ AS ", "", each)) for each in plain)
    return [" ".join(re.sub(r"\w+\.(\w+) AS \1\b", r"\1", each).split()) for each in plain]


def _shown_under(title: str) -> list[str]:
    block = DECISION.code(title, TITLES[connection.vendor])
    statements = re.sub(r"^ *--.*$", "", block, flags=re.MULTILINE).split(";\n")
    return [" ".join(each.split()).removesuffix(";") for each in statements]
