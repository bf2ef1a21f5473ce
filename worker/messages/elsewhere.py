"""The names that other schedulers and queues have for an option: the message gives ours.

Celery and beat, huey, django-q2, django-background-tasks, and what RQ, Dramatiq, APScheduler and Django's own tasks
share with them.
"""

from __future__ import annotations

from collections.abc import Collection

_MEANING = {
    "schedule": "seconds from now, a timedelta, or an aware datetime",
    "run_at": "an aware datetime",
    "first_run": "an aware datetime, or what the clock in its zone shows",
    "repeat": 'seconds, a timedelta, or text like "5 minutes"',
    "cron": 'text like "30 2 * * *"',
    "timezone": "the name of an IANA zone",
    "starts_at": "an aware datetime",
    "repeat_until": "an aware datetime",
    "max_runs": "how often it runs in all",
    "start_deadline": "seconds after its time, for a schedule",
    "catch_up": "what becomes of runs that are overdue",
    "overlap": "what becomes of a run while the one before is unfinished",
    "max_attempts": "how often it is tried, the first time included",
    "backoff": "seconds before the second attempt, doubling, or a list of them",
    "retry_on": "classes of exceptions",
    "give_up_on": "classes of exceptions",
    "queue": "its name",
    "priority": "from -100 to 100, larger first",
    "name": "a text",
    "verbose_name": "what people see",
    "key": "what identifies the schedule",
    "remove_existing_tasks": "True or False",
    "args": "a list",
    "kwargs": "a dictionary",
    "enabled": "True or False",
}
"""Ours, and what they take."""

_OURS = {
    ("countdown", "eta", "delay", "run_after", "run_in", "at"): ("schedule", "run_at", "first_run"),
    ("run_at", "next_run", "next_run_at", "next_run_time", "start_time"): ("run_at", "schedule", "first_run"),
    ("every", "interval", "run_every", "seconds", "minutes", "hours", "days", "weeks", "schedule_type"): ("repeat",),
    ("crontab", "cron_string", "minute", "hour", "day_of_week", "day_of_month", "month_of_year", "validate_datetime"): (
        "cron",
    ),
    ("tz", "time_zone", "zone"): ("timezone",),
    ("schedule",): ("repeat", "run_at"),
    ("start_date", "start_at"): ("starts_at", "schedule"),
    ("end_date", "until"): ("repeat_until",),
    ("repeats", "total_run_count", "max_run_count"): ("max_runs",),
    ("expires", "expire_seconds", "misfire_grace_time", "ttl"): ("start_deadline",),
    ("coalesce", "catchup"): ("catch_up",),
    ("max_instances", "allow_overlap"): ("overlap",),
    ("retry", "retries", "max_retries", "retry_policy"): ("max_attempts",),
    ("autoretry_for", "retry_when"): ("retry_on", "max_attempts"),
    ("dont_autoretry_for", "throws"): ("give_up_on", "max_attempts"),
    (
        *("retry_delay", "default_retry_delay", "retry_backoff", "retry_backoff_max", "retry_jitter"),
        *("min_backoff", "max_backoff", "retry_intervals"),
    ): ("backoff",),
    ("routing_key", "exchange", "cluster", "queue_name", "broker", "broker_name", "group"): ("queue",),
    ("prio", "priority_level", "at_front"): ("priority",),
    ("task_name", "actor_name", "shadow", "description", "label"): ("verbose_name", "name"),
    ("task_id", "job_id", "id", "replace_existing", "queueing_lock"): ("key", "name"),
    ("arguments", "params"): ("args",),
    ("kwarg", "keyword_arguments"): ("kwargs",),
    ("is_active", "active", "paused", "disabled"): ("enabled",),
}
_ANY_LENGTH = "A job may run as long as it needs: leave it out."
_NONE_OF_OURS = {
    **dict.fromkeys(("timeout", "time_limit", "soft_time_limit", "job_timeout", "max_run_time"), _ANY_LENGTH),
    **dict.fromkeys(
        ("link", "link_error", "hook", "on_success", "on_failure", "depends_on"),
        "No option does that: let the task call the next one.",
    ),
    **dict.fromkeys(("ignore_result", "result_ttl", "save"), "What a task returns is not kept: leave it out."),
    **dict.fromkeys(
        ("acks_late", "ack_failure"), "This is always so: a job whose worker dies runs again. Leave it out."
    ),
    **dict.fromkeys(("options", "q_options"), "Give each of these options by its own name."),
    **dict.fromkeys(("bind", "context", "takes_context"), "A task is given its own arguments and nothing else."),
    "rate_limit": "No option limits the rate yet.",
}
_BY_NAME = {name: ours for names, ours in _OURS.items() for name in names}


def ours_for(name: object, known: Collection[str]) -> str:
    """What to write for an option of somebody else's, among those that are known here. Empty: nobody calls any so."""
    if not isinstance(name, str):
        return ""
    found = [each for each in _BY_NAME.get(name, ()) if each in known]
    told = " or ".join(f"{each} ({_MEANING[each]})" for each in found[:2])
    return f"Here it is {told}." if found else _NONE_OF_OURS.get(name, _elsewhere(name))


def _elsewhere(name: str) -> str:
    """Of an option that can be given in another place."""
    ours = _BY_NAME.get(name, ())
    return f"It is {ours[0]} ({_MEANING[ours[0]]}), which is an option in another place, but not here." if ours else ""
