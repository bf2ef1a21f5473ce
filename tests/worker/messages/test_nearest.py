"""Which name somebody may have meant, and the words that ask."""

from __future__ import annotations

import pytest

from worker.messages.nearest import did_you_mean, nearest, unknown_options

KNOWN = ("cron", "repeat", "THREADS", "Europe/Paris")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("corn", "cron"),
        ("TREADS", "THREADS"),
        ("Europe/Pari", "Europe/Paris"),
        ("REPEAT", None),
        ("zzz", None),
        ("", None),
        (7, None),
        (None, None),
        ("cron" * 1000, None),
    ],
)
def test_the_nearest_name_is_found_if_one_is_near(name: object, meant: str | None) -> None:
    assert nearest(name, KNOWN) == meant


@pytest.mark.parametrize(
    ("name", "meant"), [("REPEAT", "repeat"), ("treads", "THREADS"), ("EUROPE/pari", "Europe/Paris"), ("zzz", None)]
)
def test_where_case_makes_no_difference_it_is_found_in_any(name: object, meant: str | None) -> None:
    assert nearest(name, KNOWN, caseless=True) == meant


def test_a_message_ends_with_the_question_or_with_what_to_do_otherwise() -> None:
    assert did_you_mean("corn", KNOWN) == 'Did you mean "cron"?'
    assert did_you_mean("check", ["checks"], prefix="manage:") == 'Did you mean "manage:checks"?'
    assert did_you_mean("zzz", KNOWN) == ""
    assert did_you_mean("zzz", KNOWN, otherwise="See the manual.") == "See the manual."


def test_each_unknown_option_is_told_with_its_place() -> None:
    assert list(unknown_options(["cron", "corn", 7], ("cron", "repeat"), "here")) == [
        'here: "corn" is not an option. Did you mean "cron"?',
        'here: "7" is not an option. Known: cron, repeat.',
    ]
