"""Calling a @background task: what each form of a call and each option puts into the database."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connections, transaction
from django.db.models import Model
from django.utils.safestring import SafeString

from schedules import DAILY, HOURLY, NEVER, background, changes
from schedules.models import Occurrence, Schedule, Source
from schedules.recurrence.zones import local
from schedules.scheduler import tick
from schedules.spec import InvalidSchedule
from tests.app.models import Effect
from tests.conformance.model.virtual import ALIAS, again, finish, start_jobs
from tests.processes import StartProcess, eventually
from tests.schedules.recurrence.moments import at
from worker.calls import InvalidCall, TablesMissing
from worker.chores import Chores
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobState
from worker.options import Options

pytestmark = pytest.mark.usefixtures("database")

DELAY = timedelta(seconds=60)


@background
def bare(number: int = 0, *, deep: bool = False) -> int:
    return number + deep


@background()
def called() -> None: ...


@background(name="mail.send", queue="mail", priority=5, max_attempts=2)
def configured(number: int) -> None: ...


@background(schedule=60)
def delayed() -> None: ...


@background("first argument is the name", 30)
def positional() -> None: ...


@background(repeat=HOURLY)
def hourly(place: str = "eu") -> None: ...


@background
def shadowed(queue: str, priority: int = 0) -> str:
    return f"{queue} {priority}"


def job_from(made: Job | Schedule) -> Job:
    assert isinstance(made, Job)
    return Job.objects.get(pk=made.pk)


def schedule_from(made: Job | Schedule) -> Schedule:
    assert isinstance(made, Schedule)
    return again(made)


def tick_at_next_run(schedule: Schedule) -> datetime:
    """And when that was."""
    at = again(schedule).next_run_at
    assert at is not None
    tick(ALIAS, at, Chores())
    return at


def outcomes(schedule: Schedule) -> dict[datetime, str]:
    return dict(Occurrence.objects.filter(schedule=schedule.pk).values_list("scheduled_for", "outcome"))


def delay_of(job: Job) -> timedelta:
    """From when it was enqueued, by one and the same clock."""
    return timedelta(seconds=round((job.run_at - job.enqueued_at).total_seconds(), 2))


# Forms


def test_a_bare_task_is_enqueued_by_calling_it() -> None:
    job = job_from(bare(7, deep=True))

    assert (job.task, job.args, job.kwargs) == (
        "tests.conformance.schedules.changes.test_declare.bare",
        [7],
        {"deep": True},
    )
    assert (job.queue, job.priority, job.max_attempts, job.state) == ("default", 0, Options().MAX_ATTEMPTS, "ready")


def test_an_empty_decorator_is_the_same_as_a_bare_one() -> None:
    assert job_from(called()).task == "tests.conformance.schedules.changes.test_declare.called"


def test_the_decorators_options_are_the_defaults_of_each_call() -> None:
    job = job_from(configured(1))

    assert (job.task, job.queue, job.priority, job.max_attempts) == ("mail.send", "mail", 5, 2)


def test_the_options_of_a_call_win_over_the_decorators() -> None:
    job = job_from(configured(1, queue="other", priority=-5))

    assert (job.args, job.queue, job.priority) == ([1], "other", -5)


def test_a_name_and_a_delay_may_stand_without_their_keywords() -> None:
    job = job_from(positional())

    assert (job.task, delay_of(job)) == ("first argument is the name", timedelta(seconds=30))


def test_using_binds_options_for_many_calls() -> None:
    urgent = bare.using(priority=9).using(queue="mail")

    assert [(job.args, job.priority, job.queue) for job in (job_from(urgent.enqueue(1)), job_from(urgent(2)))] == [
        ([1], 9, "mail"),
        ([2], 9, "mail"),
    ]
    assert job_from(bare(3)).priority == 0


def test_now_runs_it_here_and_gives_its_result() -> None:
    assert bare.now(7, deep=True) == 8
    assert Job.objects.count() == 0


def test_enqueue_many_makes_a_job_for_each_call_in_order() -> None:
    ids = bare.using(queue="mail").enqueue_many([((number,), {"deep": True}) for number in range(1200)])

    assert [job.args for job in Job.objects.order_by("pk")] == [[number] for number in range(1200)]
    assert ids == sorted(Job.objects.values_list("pk", flat=True))
    assert set(Job.objects.values_list("queue", flat=True)) == {"mail"}


def test_enqueue_many_refuses_arguments_that_do_not_fit_the_function() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        bare.enqueue_many([((1,), {}), ((2,), {"nonsense": True})])

    assert not Job.objects.exists()


def test_enqueue_many_is_for_jobs_and_says_so_of_a_task_that_repeats() -> None:
    with pytest.raises(InvalidSchedule, match=r"test_declare\.hourly: enqueue_many makes jobs, but this task repeats"):
        hourly.enqueue_many([((), {})])


def test_a_parameter_that_bears_the_name_of_an_option_is_refused_and_told_how() -> None:
    with pytest.raises(TypeError, match=r'"queue" is both an option and a parameter.*\.using\(queue=…\)\.enqueue\(…\)'):
        shadowed(queue="mail")

    assert job_from(shadowed("vip")).args == ["vip"]
    job = job_from(shadowed.using(queue="mail").enqueue(queue="vip", priority=3))
    assert (job.queue, job.kwargs, job.priority) == ("mail", {"queue": "vip", "priority": 3}, 0)


@pytest.mark.parametrize(("args", "kwargs"), [((1, 2), {}), ((), {"nmuber": 1})])
def test_arguments_that_do_not_fit_the_function_are_refused_at_the_call(args: Any, kwargs: Any) -> None:
    with pytest.raises(TypeError):
        bare(*args, **kwargs)
    assert Job.objects.count() == 0


def test_a_call_joins_the_callers_transaction() -> None:
    with transaction.atomic():
        bare()
        hourly()
        transaction.set_rollback(True)

    assert (Job.objects.count(), Schedule.objects.count()) == (0, 0)


# schedule=


@pytest.mark.parametrize("schedule", [60, 60.0, DELAY], ids=["seconds", "float", "timedelta"])
def test_schedule_is_a_delay(schedule: Any) -> None:
    job = job_from(bare(schedule=schedule))

    assert (delay_of(job), job.state) == (DELAY, "scheduled")


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=45))], ids=["UTC", "+05:45"])
def test_schedule_is_an_aware_datetime_in_any_zone(zone: timezone) -> None:
    instant = datetime(2030, 1, 1, 12, 0, tzinfo=zone)

    job = job_from(bare(schedule=instant))

    assert (job.run_at, job.state) == (instant, "scheduled")


@pytest.mark.parametrize("schedule", [0, 0.0, timedelta(0), None])
def test_schedule_0_is_now(schedule: Any) -> None:
    job = job_from(bare(schedule=schedule))

    assert (delay_of(job), job.state) == (timedelta(0), "ready")


def test_schedule_0_overrides_the_decorators_delay() -> None:
    assert delay_of(job_from(delayed())) == DELAY
    assert job_from(delayed(schedule=0)).state == "ready"


def test_a_one_off_whose_time_is_past_runs_now() -> None:
    bare(schedule=datetime(2020, 1, 1, tzinfo=UTC))

    assert Job.objects.get().run_at < database_now(ALIAS)


# repeat=, repeat_until=


def test_a_task_that_repeats_becomes_a_schedule_whose_first_run_is_now() -> None:
    before = database_now(ALIAS)

    schedule = schedule_from(hourly("us"))

    assert (schedule.source, schedule.repeat, schedule.args) == (Source.CALL, "3600", ["us"])
    assert schedule.name == 'tests.conformance.schedules.changes.test_declare.hourly("us")'
    first = tick_at_next_run(schedule)
    second = tick_at_next_run(schedule)
    assert before <= first <= database_now(ALIAS)
    assert second - first == timedelta(hours=1)
    assert outcomes(schedule) == {first: "enqueued", second: "skipped_overlap"}


def test_schedule_says_when_a_repeat_begins() -> None:
    before = database_now(ALIAS)

    schedule = schedule_from(hourly(schedule=60))

    first = tick_at_next_run(schedule)
    finish(start_jobs(), first)
    second = tick_at_next_run(schedule)
    assert before <= first - DELAY <= database_now(ALIAS)
    assert second - first == timedelta(hours=1)
    assert outcomes(schedule) == {first: "enqueued", second: "enqueued"}


def test_repeat_never_is_no_repeat() -> None:
    assert isinstance(hourly(repeat=NEVER), Job)
    assert Schedule.objects.count() == 0


def test_repeat_until_is_never_overrun() -> None:
    begins = database_now(ALIAS) + DELAY
    until = begins + timedelta(minutes=2)
    schedule = schedule_from(bare(schedule=begins, repeat=60, repeat_until=until, overlap="allow"))

    for minute in range(4):
        tick(ALIAS, begins + timedelta(minutes=minute), Chores())

    assert sorted(outcomes(schedule)) == [begins, begins + timedelta(minutes=1), until]
    assert set(outcomes(schedule).values()) == {"enqueued"}


def test_a_repeat_until_that_is_past_runs_nothing() -> None:
    schedule = schedule_from(bare(repeat=60, repeat_until=at("2020-01-01 09:59")))
    tick(ALIAS, database_now(ALIAS) + timedelta(minutes=5), Chores())

    assert (schedule.status, outcomes(schedule)) == ("ended", {})


def test_a_call_may_give_a_cron_expression_and_its_zone() -> None:
    schedule = schedule_from(bare(cron="30 2 * * *", timezone="Europe/Paris"))

    assert (schedule.cron, schedule.timezone) == ("30 2 * * *", "Europe/Paris")
    assert schedule.next_run_at is not None
    assert f"{local(schedule.next_run_at, 'Europe/Paris'):%H:%M}" == "02:30"


def test_a_call_with_a_cron_expression_may_say_when_that_is_to_begin() -> None:
    start = database_now(ALIAS).replace(microsecond=0) + timedelta(days=1)

    schedule = schedule_from(bare(cron="* * * * * *", schedule=start))
    delayed_one = schedule_from(bare(1, cron="* * * * * *", schedule=60))
    again_called = schedule_from(bare(1, cron="* * * * * *", schedule=600))

    assert (schedule.starts_at, schedule.next_run_at) == (start, start)
    assert delayed_one.next_run_at is not None
    assert DELAY <= delayed_one.next_run_at - delayed_one.created_at < 2 * DELAY
    assert again_called.next_run_at == delayed_one.next_run_at


# Before the tables are there


@pytest.mark.parametrize("is_atomic", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("repeats", [False, True], ids=["once", "repeating"])
def test_where_the_tables_are_missing_a_call_says_to_run_migrate(repeats: bool, is_atomic: bool) -> None:
    task, model = (hourly, Schedule) if repeats else (bare, Job)

    with (
        without_table(model),
        pytest.raises(TablesMissing, match=r"^\S+\(…\): the tables .* run manage\.py migrate"),
        transaction.atomic() if is_atomic else nullcontext(),
    ):
        task()

    task()
    assert model.objects.count() == 1


def test_another_error_of_the_database_is_left_as_it_is() -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(DatabaseError) as raised:
            bare()

    assert not isinstance(raised.value, TablesMissing)


@contextmanager
def without_table(model: type[Model]) -> Iterator[None]:
    name = model._meta.db_table
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {name} RENAME TO {name}_away")
        try:
            yield
        finally:
            cursor.execute(f"ALTER TABLE {name}_away RENAME TO {name}")


# Behind a decorator that takes arguments of its own, or gives some


def with_client(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, dry_run: bool = False, **kwargs: Any) -> Any:
        return None if dry_run else function("client", *args, **kwargs)

    return called


@background
@with_client
def charge(client: str, number: int) -> str:
    return f"{client} {number}"


def only_by_name(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*, number: int) -> Any:
        return function("client", number)

    return called


@background(name="strict")
@only_by_name
def strict(client: str, number: int) -> None: ...


@pytest.mark.parametrize(("args", "kwargs"), [((7,), {}), ((), {"number": 7}), ((7,), {"dry_run": True})])
def test_a_call_is_held_against_what_is_called_and_not_against_what_that_wraps(args: Any, kwargs: Any) -> None:
    job = job_from(charge(*args, **kwargs))
    charge.enqueue_many([(args, kwargs)])

    assert job.args == list(args)
    assert Job.objects.count() == 2
    assert charge.now(*args, **kwargs) in ("client 7", None)


def test_what_the_wrapped_function_would_take_is_refused_where_the_decorator_does_not_and_the_task_is_named() -> None:
    for call in (lambda: strict("client", 7), lambda: strict.enqueue_many([(("client", 7), {})])):
        with pytest.raises(TypeError, match=r"^strict\(…\): too many positional arguments\.$"):
            call()
    assert job_from(strict(number=7)).kwargs == {"number": 7}


# The other options


def test_verbose_name_and_creator_are_kept_with_job_and_schedule() -> None:
    user = User.objects.create(username="bob")
    options: dict[str, Any] = {"verbose_name": "Tell Bob", "creator": user}

    job, schedule = job_from(bare(**options)), schedule_from(bare(repeat=DAILY, **options))

    for made in (job, schedule):
        assert (made.verbose_name, made.creator) == ("Tell Bob", f"auth.User:{user.pk}")


def test_remove_existing_tasks_replaces_unstarted_jobs_with_the_same_arguments() -> None:
    old, other = job_from(bare(7, schedule=60)), job_from(bare(8, schedule=60))

    new = job_from(bare(7, schedule=30, remove_existing_tasks=True))

    assert set(Job.objects.values_list("pk", flat=True)) == {other.pk, new.pk}
    assert FinishedJob.objects.get(pk=old.pk).state == "cancelled"


def test_remove_existing_tasks_leaves_a_running_job_alone() -> None:
    bare(7)
    (running,) = start_jobs()

    bare(7, remove_existing_tasks=True)

    assert Job.objects.get(pk=running.id).state == "running"
    assert Job.objects.count() == 2


def test_a_replacement_that_is_rolled_back_leaves_the_old_job() -> None:
    old = job_from(bare(7, schedule=60))

    with transaction.atomic():
        bare(7, remove_existing_tasks=True)
        transaction.set_rollback(True)

    assert Job.objects.get().pk == old.pk


@pytest.mark.parametrize(
    "options",
    [{"schedule": -1}, {"queue": ""}, {"creator": 7}, {"remove_existing_tasks": 1}, {"qeue": "mail"}],
    ids=str,
)
def test_what_could_not_work_is_refused_as_an_invalid_call_or_where_it_repeats_as_an_invalid_schedule(
    options: dict[str, Any],
) -> None:
    with pytest.raises(InvalidCall):
        bare.using(**options).enqueue()
    with pytest.raises(InvalidSchedule):
        bare.using(repeat=60, **options).enqueue()
    with pytest.raises(InvalidSchedule):
        hourly.using(**options).enqueue()

    assert not Job.objects.exists()
    assert not Schedule.objects.exists()


def test_an_option_of_schedules_is_refused_where_nothing_repeats() -> None:
    with pytest.raises(InvalidCall, match=r"bare\(…\): overlap is for schedules: give repeat or cron with it\.$"):
        bare(overlap="skip")


# One schedule


def test_the_same_repeating_call_twice_is_one_schedule() -> None:
    first, second = hourly("eu"), hourly("eu")

    assert first.pk == second.pk
    assert Schedule.objects.count() == 1


def test_other_arguments_are_another_schedule() -> None:
    calls = [hourly(), hourly("us"), hourly("EU"), hourly("eu "), configured(1, repeat=60)]

    assert len({schedule.pk for schedule in calls}) == len(calls)


def test_however_a_call_is_spelled_it_is_one_schedule() -> None:
    schedule = schedule_from(hourly())

    for again_called in (hourly("eu"), hourly(place="eu"), hourly.using(schedule=9).enqueue()):
        assert (schedule_from(again_called).pk, schedule_from(again_called).revision) == (
            schedule.pk,
            schedule.revision,
        )

    assert schedule.name == "tests.conformance.schedules.changes.test_declare.hourly()"


def test_however_a_call_is_spelled_it_replaces_the_jobs_of_equal_calls() -> None:
    for args, kwargs in (((7,), {}), ((7,), {"deep": False}), ((), {"number": 7, "deep": False}), ((8,), {})):
        bare.using(schedule=60).enqueue(*args, **kwargs)

    bare.using(schedule=60, remove_existing_tasks=True).enqueue(number=7)

    assert sorted((job.args, job.kwargs) for job in Job.objects.all()) == [([], {"number": 7}), ([8], {})]


def test_arguments_of_djangos_own_classes_make_the_schedule_that_plain_ones_make() -> None:
    first, second = hourly("us"), hourly(SafeString("us"))
    third = hourly(place=JobState.READY)
    fourth = hourly(place="ready")

    assert (first.pk, third.pk) == (second.pk, fourth.pk)
    assert Schedule.objects.count() == 2


def test_the_key_stands_for_the_arguments() -> None:
    first = schedule_from(hourly("eu", key="the one"))
    second = schedule_from(hourly("us", key="the one"))

    assert first.pk == second.pk
    assert (second.name, second.args) == ("tests.conformance.schedules.changes.test_declare.hourly#the one", ["us"])


def test_e1_a_second_call_updates_recurrence_and_options() -> None:
    first = schedule_from(hourly("eu", schedule=60))

    second = schedule_from(hourly("eu", schedule=60, queue="mail"))
    assert (second.queue, second.next_run_at) == ("mail", first.next_run_at)


def test_an_interval_that_a_call_changes_counts_from_then_and_only_the_first_call_runs_at_once() -> None:
    schedule = schedule_from(hourly("us"))
    tick_at_next_run(schedule)
    ran = outcomes(schedule)

    two_wishes = ((7200, None), (3600, 60))
    for repeat, first in two_wishes:
        before = database_now(ALIAS)
        changed = schedule_from(hourly.using(repeat=repeat, schedule=first).enqueue("us"))
        tick(ALIAS, before + timedelta(minutes=2), Chores())
        assert changed.next_run_at is not None
        first_run = changed.next_run_at - timedelta(seconds=repeat)
        assert before <= first_run <= database_now(ALIAS)

    planned = again(schedule).next_run_at
    for repeat, first in two_wishes * 2:
        wished = hourly.using(repeat=repeat, schedule=first).enqueue("us")
        assert schedule_from(wished).next_run_at == planned, "it is put off no more"
    assert outcomes(schedule) == ran


def test_a_second_call_with_another_start_moves_the_grid_and_with_another_delay_does_not() -> None:
    start = database_now(ALIAS).replace(microsecond=0) + timedelta(days=1)
    schedule = schedule_from(hourly("us", schedule=start))
    assert schedule.next_run_at == start

    hourly("us", schedule=start + DELAY)
    assert again(schedule).next_run_at == start + DELAY
    hourly("us", schedule=5)
    assert again(schedule).next_run_at == start + DELAY


def test_a_second_call_leaves_a_pause_alone() -> None:
    schedule = schedule_from(hourly())
    changes.pause(schedule, ALIAS, database_now(ALIAS), reason="holiday")

    hourly(repeat=DAILY, queue="mail")

    assert (again(schedule).status, again(schedule).queue) == ("paused", "mail")


@pytest.mark.parametrize("outer", [False, True], ids=["alone", "in an outer transaction"])
def test_the_same_call_by_eight_threads_at_once_is_one_schedule(outer: bool) -> None:
    together = Barrier(8, timeout=30)

    def call(number: int) -> int:
        try:
            together.wait()
            if not outer:
                return hourly("eu").pk
            with transaction.atomic():
                Effect.objects.create(key=f"by thread {number}")
                return hourly("eu").pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(call, range(8)))) == 1
    assert Schedule.objects.count() == 1
    assert Effect.objects.count() == (8 if outer else 0)


@pytest.mark.parametrize("outer", [False, True], ids=["alone", "in an outer transaction"])
def test_the_same_call_by_eight_processes_at_once_is_one_schedule(process: StartProcess, outer: bool) -> None:
    call = f"from {__name__} import call_in_eight_processes; call_in_eight_processes(outer={outer})"
    callers = process("shell", "--no-imports", "--command", call)
    eventually(lambda: Effect.objects.filter(key="ready").count() == 8, within=60)

    Effect.objects.create(key="go")

    assert callers.wait(within=60) == 0, callers.output
    assert callers.output.split() == [f"{Schedule.objects.get().pk}"] * 8


def call_in_eight_processes(*, outer: bool) -> None:
    """Forked before anything was asked of the database, so each has a session of its own."""
    callers = [get_context("fork").Process(target=call_when_told, args=[outer]) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    sys.exit(any(caller.exitcode for caller in callers))


def call_when_told(outer: bool) -> None:
    Effect.objects.create(key="ready")
    eventually(Effect.objects.filter(key="go").exists, within=60)
    with transaction.atomic() if outer else nullcontext():
        if outer:
            Effect.objects.create(key="in the outer transaction")
        sys.stdout.write(f"{hourly('eu').pk}\n")
