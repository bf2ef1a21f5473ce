"""An option by the name that another scheduler has for it: the message names ours, and none that is wrong."""

from __future__ import annotations

import pytest

from schedules import background
from schedules.declarations.background import CALL_OPTIONS, OF_TASK
from schedules.declarations.configured import KEYS
from worker.calls import InvalidCall
from worker.messages import elsewhere
from worker.messages.nearest import unknown_options
from worker.tasks import InvalidTask

OF_A_DECLARATION = (*OF_TASK, *CALL_OPTIONS)


@background
def notify(user_id: int) -> None: ...


def hint(name: str, known: tuple[str, ...]) -> str:
    (fault,) = unknown_options([name], known, "here")
    return fault.removeprefix(f'here: "{name}" is not an option. ')


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        (
            "countdown eta delay run_at run_after next_run",
            "schedule (seconds from now, a timedelta, or an aware datetime)",
        ),
        (
            "every interval minutes seconds schedule_type run_every",
            'repeat (seconds, a timedelta, or text like "5 minutes")',
        ),
        ("crontab hour minute day_of_week day_of_month", 'cron (text like "30 2 * * *")'),
        ("autoretry_for", "retry_on (classes of exceptions)"),
        ("retries max_retries retry", "max_attempts (how often it is tried, the first time included"),
        ("retry_delay default_retry_delay retry_backoff min_backoff", "backoff (seconds before the second attempt"),
        ("cluster routing_key queue_name exchange", "queue (its name)"),
        ("repeats total_run_count", "max_runs (how often it runs in all)"),
        ("expires misfire_grace_time", "start_deadline (seconds after its time, for a schedule)"),
        ("end_date until", "repeat_until (an aware datetime)"),
        ("task_name description", "verbose_name (what people see)"),
        ("max_instances", "overlap (what becomes of a run"),
        ("coalesce", "catch_up (what becomes of runs that are overdue)"),
        ("tz", "timezone (the name of an IANA zone)"),
    ],
)
def test_an_option_of_others_is_answered_with_ours(names: str, ours: str) -> None:
    for name in names.split():
        assert hint(name, OF_A_DECLARATION).startswith(f"Here it is {ours}"), name


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("timeout time_limit soft_time_limit job_timeout", "A job may run as long as it needs"),
        ("link hook on_success depends_on", "No option does that: let the task call the next one."),
        ("options q_options", "Give each of these options by its own name"),
        ("acks_late ack_failure", "This is always so"),
        ("bind context", "A task is given its own arguments"),
    ],
)
def test_what_has_no_counterpart_is_said_to_have_none(names: str, told: str) -> None:
    for name in names.split():
        assert hint(name, OF_A_DECLARATION).startswith(told), name


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("schedule", 'repeat (seconds, a timedelta, or text like "5 minutes") or run_at (an aware datetime)'),
        ("next_run", "run_at (an aware datetime) or first_run"),
        ("crontab", "cron"),
        ("is_active", "enabled"),
        ("arguments", "args"),
    ],
)
def test_an_entry_of_the_settings_is_answered_with_its_own_keys(name: str, ours: str) -> None:
    assert hint(name, KEYS).startswith(f"Here it is {ours}")


def test_what_belongs_elsewhere_is_said_to() -> None:
    assert (
        hint("tz", OF_TASK)
        == "It is timezone (the name of an IANA zone), which is an option in another place, but not here."
    )


def test_each_hint_names_an_option_that_there_is() -> None:
    assert set(elsewhere._MEANING) <= {*OF_A_DECLARATION, *KEYS, "name"}
    assert {name for ours in elsewhere._OURS.values() for name in ours} <= set(elsewhere._MEANING)


def test_a_call_and_a_declaration_with_an_option_of_others_say_what_to_write() -> None:
    with pytest.raises(
        TypeError, match=r"unexpected keyword argument 'countdown'\. Here it is schedule \(seconds from"
    ):
        notify(7, countdown=5)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'shedule'\. Did you mean \"schedule\"\?"):
        notify(7, shedule=5)  # type: ignore[call-overload]
    with pytest.raises(InvalidCall, match=r'"eta" is not an option\. Here it is schedule'):
        notify.using(eta=5)  # type: ignore[call-overload]
    with pytest.raises(InvalidTask, match=r'"max_retries" is not an option\. Here it is max_attempts'):
        background(max_retries=5)(test_each_hint_names_an_option_that_there_is)  # type: ignore[call-overload]
