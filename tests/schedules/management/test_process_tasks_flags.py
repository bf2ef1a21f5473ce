"""What `process_tasks` may be told, by a command line and by `call_command`."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from tests.app.tasks import nothing
from worker.models import FinishedJob, Job


@pytest.mark.parametrize("given", [{"queue": "mail"}, {"queue": ["mail"]}], ids=["text", "list"])
def test_a_queue_may_be_given_to_call_command_as_a_text(database: None, given: dict[str, object]) -> None:
    nothing(1, queue="mail")
    nothing(2)

    call_command("process_tasks", until_idle=True, verbosity=0, **given)

    assert [job.queue for job in FinishedJob.objects.all()] == ["mail"]
    assert [job.queue for job in Job.objects.all()] == ["default"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--queue", "mail"], "--queue does nothing"),
        (["--threads", "1"], "--threads does nothing"),
        (["--processes", "2"], "--processes does nothing"),
        (["--sleep", "1", "--queue", "mail"], "--queue and --sleep do nothing"),
        (["--sleep", "1", "--queue", "mail", "--threads", "2"], "--queue, --threads and --sleep do nothing"),
    ],
)
def test_a_flag_that_would_do_nothing_beside_leader_only_is_refused(flags: list[str], told: str) -> None:
    with pytest.raises(CommandError) as fault:
        call_command("process_tasks", "--leader-only", *flags)

    assert str(fault.value) == (
        f"{told} beside --leader-only, which is one process and runs no jobs. Leave out one or the other."
    )


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--threads=0", 'argument --threads: "0" is not a whole number from 1 on.'),
        ("--processes=many", 'argument --processes: "many" is not a whole number from 1 on.'),
        ("--duration=-1", 'argument --duration: "-1" is not a number of seconds above 0.'),
        ("--sleep=nan", 'argument --sleep: "nan" is not a number of seconds above 0.'),
    ],
)
def test_a_flag_that_cannot_be_says_what_was_given_and_what_is_expected(flag: str, told: str) -> None:
    with pytest.raises(CommandError) as fault:
        call_command("process_tasks", flag)

    assert told in str(fault.value)
