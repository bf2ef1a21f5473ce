"""Who a worker is: the row with its id and its name. The id alone may be another's, in a database that was put back."""

from __future__ import annotations

import time

import pytest

from tests.conformance.worker.process.workers import Crew, cut, heard
from tests.conformance.worker.queue.jobs import ALIAS, claim, enqueue
from tests.processes import eventually
from worker import signals
from worker.models import Job, JobState, WorkerProcess
from worker.process.standing import Standing

pytestmark = pytest.mark.usefixtures("database")


def standing(name: str) -> Standing:
    standing = Standing(name, 4, (), time)
    assert standing.take(ALIAS, held=[])
    return standing


def give_the_id_to(name: str, id: int) -> None:
    """As a database does that was restored, emptied or is another one."""
    WorkerProcess.objects.filter(pk=id).update(name=name)


def test_who_comes_back_gives_nothing_back_of_another_who_has_its_id_by_now() -> None:
    mine = standing("one")
    enqueue()
    give_the_id_to("another", mine.id)
    (job,) = claim(worker_id=mine.id)

    assert not mine.take(ALIAS, held=[])

    assert Job.objects.get(pk=job.id).state == JobState.RUNNING
    assert mine.take(ALIAS, held=[])
    assert WorkerProcess.objects.get(pk=mine.id).name == "one"


def test_who_comes_back_as_itself_gives_back_what_it_does_not_hold() -> None:
    mine = standing("one")
    enqueue()
    (job,) = claim(worker_id=mine.id)

    assert mine.take(ALIAS, held=[])

    assert Job.objects.get(pk=job.id).state == JobState.READY


def test_a_worker_whose_id_is_anothers_after_its_session_was_lost_signs_in_anew(crew: Crew) -> None:
    hand = crew.start()
    before = eventually(lambda: hand.id)
    assert before is not None
    session = eventually(lambda: [each for each in crew.sessions if each.alias == f"{ALIAS}:worker"])[0]

    with heard(signals.worker_declared_dead) as dead:
        give_the_id_to("another", before)
        cut(session)
        eventually(lambda: hand.id not in (None, before))

    assert len(dead) == 1
    assert set(WorkerProcess.objects.values_list("name", flat=True)) == {"another", hand.worker.name}
