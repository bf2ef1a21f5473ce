"""Arguments and results are stored as the project's codec encodes them, with the real Fernet, on every database."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.checks import run_checks
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from schedules import api, background, changes
from schedules.admin.forms import ScheduleForm
from schedules.changes import Wanted, edit
from schedules.declarations.renames import lookalikes
from schedules.models import Schedule, Source
from schedules.spec import spec_of
from schedules.testing import ManualClock, run_jobs
from tests.conformance.worker.framework.tasks import give_back as give_back_as_task
from tests.conformance.worker.process.workers import Crew
from worker.api import CannotDecode, CodecFailed
from worker.api import get as get_job
from worker.arguments.sealed import SEAL
from worker.clock import database_now
from worker.codec import sealed
from worker.models import FinishedJob, FinishedState, Job

pytestmark = pytest.mark.usefixtures("database")

OLD, NEW = Fernet.generate_key(), Fernet.generate_key()
SECRET = "4929-1234"


class Encrypted:
    def __init__(self, *keys: bytes) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def encode(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def decode(self, text: str) -> str:
        return self._fernet.decrypt(text.encode()).decode()


class Broken:
    def __init__(self, gives: Any = None) -> None:
        self._gives = gives

    def encode(self, text: str) -> Any:
        if self._gives is None:
            raise LookupError("no key")
        return self._gives

    def decode(self, text: str) -> Any:
        return self.encode(text)


@background(keep_result=True, max_attempts=2, backoff=[0])
def charge(card: str, at: Any = None) -> Any:
    return [card, at]


@background(keep_result=True, atomic=True)
def charge_atomically(card: str) -> Any:
    return card


@pytest.fixture(autouse=True)
def _codec(settings: Settings) -> None:
    settings.SCHEDULER = {"CODEC": Encrypted(OLD)}


def _stored() -> str:
    """All that stands in our tables."""
    told = []
    with connection.cursor() as cursor:
        for model in (Job, FinishedJob, Schedule):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            told += cursor.fetchall()
    return repr(told)


def test_arguments_and_results_are_encoded_in_every_table(crew: Crew) -> None:
    job = charge(SECRET, date(2026, 7, 2))
    charge.enqueue_many([((SECRET,), {}), ((SECRET,), {"at": 1})])
    charge_atomically(SECRET)
    result = give_back_as_task.enqueue(SECRET)
    charge.using(repeat=3600).enqueue(SECRET)
    api.schedule(charge, name="nightly", repeat=3600, args=[SECRET])
    assert SECRET not in _stored()
    assert job.args == [SECRET, date(2026, 7, 2)]

    crew.work_until_idle()
    api.get("nightly").run_now()
    run_jobs()

    assert SECRET not in _stored()
    assert get_job(job.pk).result == [SECRET, date(2026, 7, 2)]
    result.refresh()
    assert (result.return_value, result.args) == (SECRET, [SECRET])
    assert {job.state for job in FinishedJob.objects.all()} == {FinishedState.SUCCEEDED}
    assert FinishedJob.objects.filter(task=charge.task.name).count() == 5


def test_what_was_stored_before_there_was_a_codec_is_still_read(settings: Settings) -> None:
    settings.SCHEDULER = {}
    charge("plain")
    api.schedule(charge, name="nightly", repeat=3600, args=["plain"])
    settings.SCHEDULER = {"CODEC": Encrypted(OLD)}
    api.get("nightly").run_now()

    run_jobs()

    assert [job.result[0] for job in FinishedJob.objects.all()] == ["plain", "plain"]


def test_a_new_key_reads_what_an_old_one_wrote(settings: Settings) -> None:
    charge(SECRET)
    settings.SCHEDULER = {"CODEC": Encrypted(NEW, OLD)}
    charge("later")

    run_jobs()

    settings.SCHEDULER = {"CODEC": Encrypted(NEW)}
    results = list(FinishedJob.objects.order_by("pk"))
    assert [job.result[0] for job in results] == [SECRET, "later"]
    with pytest.raises(CannotDecode, match=r'SCHEDULER\["CODEC"\] cannot decode it here \(InvalidToken'):
        _ = results[0].args


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param({}, 'and SCHEDULER["CODEC"] names no codec.', id="no codec"),
        pytest.param({"CODEC": Encrypted(NEW)}, 'and SCHEDULER["CODEC"] cannot decode it here', id="another key"),
    ],
)
def test_a_job_that_cannot_be_decoded_is_tried_again_fails_alone_and_can_be_retried(
    settings: Settings, options: dict[str, Any], why: str, crew: Crew
) -> None:
    lost = charge(SECRET)
    settings.SCHEDULER = options
    charge("fine")

    crew.work_until_idle()

    ended = {job.pk: job for job in FinishedJob.objects.all()}
    assert sorted(job.state for job in ended.values()) == [FinishedState.FAILED, FinishedState.SUCCEEDED]
    assert ended[lost.pk].attempts == 2
    assert ended[lost.pk].reason.startswith(f"CannotDecode: It is encoded, {why}")
    settings.SCHEDULER = {"CODEC": Encrypted(OLD)}
    get_job(lost.pk).retry()
    run_jobs()
    assert FinishedJob.objects.get(retry_of=lost.pk).result[0] == SECRET


def test_a_worker_that_has_the_key_at_the_next_attempt_runs_it(settings: Settings) -> None:
    clock = ManualClock(database_now("default"))
    job = charge(SECRET)
    Job.objects.update(task_options='{"backoff": [60.0]}')
    settings.SCHEDULER = {"CODEC": Encrypted(NEW)}
    run_jobs(clock=clock)
    assert [error["kind"] for error in get_job(job.pk).errors] == ["CannotDecode"]

    settings.SCHEDULER = {"CODEC": Encrypted(NEW, OLD)}
    clock.advance(120)
    run_jobs(clock=clock)

    assert FinishedJob.objects.get().result[0] == SECRET


def test_equal_calls_are_found_among_encoded_ones() -> None:
    first = charge(SECRET)
    other = charge("another")

    last = charge.using(remove_existing_tasks=True).enqueue(card=SECRET, at=None)

    assert set(Job.objects.values_list("pk", flat=True)) == {other.pk, last.pk}
    assert FinishedJob.objects.get().pk == first.pk


def test_an_equal_call_leaves_its_schedule_as_it_is_and_its_name_tells_nothing() -> None:
    first = charge.using(repeat=60).enqueue(SECRET)
    text = Schedule.objects.get().arguments
    assert text.startswith(SEAL)

    charge.using(repeat=60).enqueue(card=SECRET)

    row = Schedule.objects.get()
    assert (row.pk, row.revision, row.arguments) == (first.pk, first.revision, text)
    assert row.name.startswith(f"{charge.task.name}(…) ~")
    charge.using(repeat=60).enqueue("another")
    assert Schedule.objects.count() == 2


def test_an_equal_edit_changes_nothing_and_another_one_changes_the_revision() -> None:
    for _ in range(2):
        api.schedule(charge, name="nightly", repeat=3600, args=[SECRET])
    revision = api.get("nightly").revision
    api.schedule(charge, name="nightly", repeat=3600, args=[SECRET], revision=revision)
    assert api.get("nightly").revision == revision

    api.schedule(charge, name="nightly", repeat=3600, args=["another"], revision=revision)

    assert api.get("nightly").revision != revision


def test_a_schedule_that_seems_renamed_is_found() -> None:
    def spec(name: str) -> Any:
        return spec_of(
            charge.task, where="here", name=name, source=Source.SETTINGS, args=[SECRET], options={"repeat": 60}
        )

    changes.all_in_line([Wanted(spec("before"))], "default")

    assert list(lookalikes("default", [spec("after")], {})) == [[(spec("after"), "before")]]


@pytest.mark.parametrize("codec", [Broken(), Broken("café"), Broken("two\nlines"), Broken(b"bytes")])
def test_a_codec_that_cannot_encode_fails_the_call(settings: Settings, codec: Broken) -> None:
    settings.SCHEDULER = {"CODEC": codec}

    for call in (charge, give_back_as_task.enqueue, charge.using(repeat=60).enqueue):
        with pytest.raises(CodecFailed, match=r'SCHEDULER\["CODEC"\]'):
            call(SECRET)
    with pytest.raises(CodecFailed):
        charge.enqueue_many([((SECRET,), {})])

    assert not Job.objects.exists()
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("given", [b"[[], {}]", 7], ids=repr)
def test_what_a_codec_decodes_is_a_text(settings: Settings, given: Any) -> None:
    job = charge(SECRET)
    settings.SCHEDULER = {"CODEC": Broken(given)}

    with pytest.raises(CannotDecode, match=r'SCHEDULER\["CODEC"\] has decoded a text as .+, but must give a text\.'):
        _ = job.args


def test_a_text_is_encoded_once_however_often_it_is_written() -> None:
    api.schedule(charge, name="nightly", repeat=3600, args=[SECRET])
    row = Schedule.objects.get()

    edit(row, "default", database_now("default"), arguments=row.arguments, priority=7)
    api.get("nightly").run_now()
    run_jobs()

    assert sealed(row.arguments) == row.arguments
    assert FinishedJob.objects.get().result[0] == SECRET


@pytest.mark.parametrize("codec", [Encrypted(OLD), None], ids=["the key", "no codec"])
def test_pages_show_what_can_be_decoded_and_say_what_cannot(
    settings: Settings, admin_client: Client, codec: Any
) -> None:
    settings.ROOT_URLCONF = "tests.urls"
    charge(SECRET)
    run_jobs()
    job, waits = FinishedJob.objects.get(), charge(SECRET)
    api.schedule(charge, name="nightly", repeat=3600, args=[SECRET])
    schedule = Schedule.objects.get()
    settings.SCHEDULER = {"CODEC": codec}

    for name, pk in (("worker_finishedjob", job.pk), ("worker_job", waits.pk), ("schedules_schedule", schedule.pk)):
        page = admin_client.get(reverse(f"admin:{name}_change", args=[pk]))
        assert page.status_code == 200
        assert (SECRET in page.content.decode()) == (codec is not None)


def test_a_form_does_not_save_over_arguments_that_it_cannot_show(settings: Settings) -> None:
    api.schedule(charge, name="nightly", repeat=3600, args=[SECRET])
    settings.SCHEDULER = {"CODEC": Encrypted(NEW)}

    form = ScheduleForm({"task": charge.task.name}, instance=Schedule.objects.get())

    assert not form.is_valid()
    assert any("cannot decode them. Nothing was changed." in said for said in form.non_field_errors())


def test_the_check_says_what_is_wrong_with_a_codec(settings: Settings) -> None:
    settings.SCHEDULER = {"CODEC": f"{__name__}.Encryptd"}
    (message,) = [each for each in run_checks(tags=["worker"]) if each.id == "worker.E008"]
    assert message.msg.endswith(f'has no "Encryptd". Did you mean "{__name__}.Encrypted"?')

    settings.SCHEDULER = {"CODEC": object()}
    (message,) = [each for each in run_checks(tags=["worker"]) if each.id == "worker.E008"]
    assert "has no method encode and no method decode" in message.msg
