"""What schedules are told in random stories, and where and when a story begins.

Instants are minutes since the beginning, and dates days, until `Beginning.options` makes options of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.conformance.model.model_columns import Columns
from tests.schedules.recurrence.moments import at

HERE = "where the story begins"
MOST_CATCH_UP = 2
LIMITS = ("starts_at", "repeat_until", "exclude")

Options = Mapping[str, Any]

REPEATS = st.fixed_dictionaries(
    {"repeat": st.sampled_from([60, 90, 3600])},
    optional={"timezone": st.just(HERE), "dst_gap": st.just("skip")},
)
CRONS = st.fixed_dictionaries(
    {
        "cron": st.sampled_from(["*/2 * * * *", "@hourly", "0 * * * *", "5-55/10 0-23 * * *", "30 2 * * *"]),
        "timezone": st.sampled_from([HERE, HERE, "UTC"]),
    },
    optional={"dst_gap": st.just("skip"), "dst_overlap": st.sampled_from(["second", "both"])},
)
ONCE = st.fixed_dictionaries({"run_at": st.sampled_from([-30, 1, 10, 70])})
_LIMITS: list[Options] = [
    {},
    {"catch_up_window": 150},
    {"max_runs": 1},
    {"starts_at": 4},
    {"repeat_until": 40},
    {"exclude": 0},
    {"start_deadline": 70},
    {"jitter": 45},
    {"retry_past_next": True},
    {"max_runs": 3, "starts_at": -4, "start_deadline": 500},
    {"catch_up_window": 4000, "repeat_until": 200, "jitter": 100},
]

WORKS = st.sampled_from([{}, {"task": "report.as.it.was"}, {"task": "another"}, {"queue": "mail"}])
RECURRENCES = st.one_of(REPEATS, CRONS, CRONS, ONCE)
POLICIES = st.builds(
    lambda catch_up, overlap, limits: {"catch_up": catch_up, "overlap": overlap, **limits},
    st.sampled_from(["latest", "earliest", "all", "none"]),
    st.sampled_from(["skip", "allow", "queue_one", "queue_all"]),
    st.sampled_from(_LIMITS),
)


def respelled(recurrence: Options) -> Options:
    """Other words for the same instants, where there are any."""
    match recurrence:
        case {"cron": cron}:
            return {**recurrence, "cron": cron.replace("@hourly", "0 * * * *")}
        case {"repeat": _}:
            return {**recurrence, "timezone": "UTC" if recurrence.get("timezone") == HERE else HERE}
    return recurrence


class Beginning(NamedTuple):
    zone: str
    at: datetime

    def options(self, recurrence: Options, policies: Options) -> dict[str, Any]:
        options = {"max_catch_up": MOST_CATCH_UP, **recurrence, **policies}
        for name in ("run_at", "starts_at", "repeat_until"):
            if name in options:
                options[name] = self.at + timedelta(minutes=options[name])
        if options.get("timezone") == HERE:
            options["timezone"] = self.zone
        if "exclude" in options:
            options["exclude"] = (self.at.date() + timedelta(days=options["exclude"]),)
        if "run_at" in options and not Columns(**options).may_run_once():
            return {name: value for name, value in options.items() if name not in LIMITS}  # others are refused
        return options


BEGINNINGS = st.sampled_from(
    [
        Beginning("Europe/Paris", at("10:00")),
        # Ten minutes later, the clock moves back, or forward.
        Beginning("Europe/Paris", at("10-25 00:50")),
        Beginning("Europe/Paris", at("2027-03-28 00:50")),
        # By half an hour.
        Beginning("Australia/Lord_Howe", at("2027-04-03 14:50")),
        Beginning("Australia/Lord_Howe", at("10-03 15:20")),
    ]
)
