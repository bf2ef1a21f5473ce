"""What may stand in SCHEDULER["CARRY"], and what the check says of all else."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from pytest_django import Settings

from worker.carry import Language, TimeZone
from worker.carry.capturing import captured
from worker.carry.carriers import carriers
from worker.carry.stored import carried_in, kept, options_alone, with_carried


class Needy:
    def __init__(self, tenant: str) -> None: ...


class Mute:
    def capture(self) -> None: ...


class NamedByNumber(Language):
    key = 7  # type: ignore[assignment]


class Keyed(Language):
    def __init__(self, key: str) -> None:
        self.key = key


class Unnamed:
    def capture(self) -> str:
        return "here"

    def restore(self, value: str) -> Any: ...


def _said() -> list[str]:
    return [message.msg for message in run_checks(tags=["worker"]) if message.id in ("worker.E001", "worker.E007")]


def test_a_path_a_class_and_an_object_are_carriers(settings: Settings) -> None:
    settings.SCHEDULER = {"CARRY": ["worker.carry.Language", TimeZone, Unnamed(), Keyed("x" * 100)]}

    assert _said() == []
    assert list(carriers()) == ["language", "time_zone", f"{__name__}.Unnamed", "x" * 100]
    assert captured("f(…)") == f'{{"{__name__}.Unnamed":"here"}}'


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("worker.carry.Langauge", r'worker.carry has no "Langauge". Did you mean "worker.carry.Language"\?'),
        ("worker.cary.Language", r'cannot be imported \(ModuleNotFoundError.*Did you mean "worker.carry.Language"\?'),
        ("Language", "it is no dotted path"),
        (f"{__name__}.Needy", r"cannot be made without options \(TypeError.*\). Give an instance."),
        (Mute, r"has no method restore, but a carrier has capture\(\) and restore\(value\)."),
        (7, "has no method capture and no method restore"),
        (NamedByNumber, "has the key 7, but must have a text of 1 to 100 printable characters."),
        (Keyed("x" * 101), "but must have a text of 1 to 100 printable characters."),
        (Keyed("a\nb"), "but must have a text of 1 to 100 printable characters."),
    ],
)
def test_an_entry_that_cannot_work_is_told_with_its_place(settings: Settings, entry: Any, message: str) -> None:
    settings.SCHEDULER = {"CARRY": [TimeZone(), entry]}

    (said,) = _said()
    assert said.startswith('SCHEDULER["CARRY"][1]: ')
    with pytest.raises(ImproperlyConfigured, match=message):
        captured("f(…)")


def test_two_carriers_of_one_key_are_refused(settings: Settings) -> None:
    settings.SCHEDULER = {"CARRY": [Language, "worker.carry.Language"]}

    assert _said() == [
        'SCHEDULER["CARRY"][1]: the key "language" is taken by an entry before it. Take one of them out.'
    ]


@pytest.mark.parametrize("given", ["worker.carry.Language", {"Language"}, [None], [""]])
def test_the_option_is_a_list(settings: Settings, given: Any) -> None:
    settings.SCHEDULER = {"CARRY": given}

    (said,) = _said()
    assert 'must be a list of carriers, such as ["worker.carry.Language"]' in said


@pytest.mark.parametrize("options", [None, '{"atomic": true}', '{"a": {"carried": 1}, "backoff": [1.0]}'])
def test_options_are_the_same_without_what_is_carried(options: str | None) -> None:
    text = with_carried(options, '{"tenant":"acme"}')

    assert options_alone(text) == options
    assert carried_in(text) == {"tenant": "acme"}
    assert with_carried(options, None) == options
    assert options_alone(kept(options, text)) == options
    assert carried_in(kept(options, text)) == {"tenant": "acme"}


def test_what_is_carried_may_stand_beside_no_options() -> None:
    text = with_carried("{}", '{"tenant":"acme"}')

    assert (options_alone(text), carried_in(text)) == (None, {"tenant": "acme"})


class Nameless(tzinfo):
    def utcoffset(self, at: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, at: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, at: datetime | None) -> str:
        return "somewhere"


def test_a_time_zone_without_a_name_cannot_be_carried() -> None:
    with timezone.override(Nameless()), pytest.raises(ValueError, match="which has no name: activate it by its IANA"):
        TimeZone().capture()


@pytest.mark.parametrize("text", ['{"carried": ', '["carried"]', '"carried"'])
def test_what_cannot_be_read_stays_as_it_is(text: str) -> None:
    assert options_alone(text) == text
    assert carried_in(text) == {}
