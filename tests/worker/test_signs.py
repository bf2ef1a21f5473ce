"""A state looks the same on every page and in every command, and never by its colour alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schedules.commandline.terminal import COLOURS
from schedules.doctor.findings import Severity
from schedules.models import LEDGERED, Status
from worker.models import FinishedState, JobState
from worker.signs import OTHER, SIGNS, Tone, sign_of

STYLES = Path(__file__).resolve().parents[2] / "worker" / "static" / "worker" / "admin.css"
WITHOUT_COLOUR = {
    "coalesced",
    "skipped_overlap",
    "excluded",
    "skipped_dst",
    "cancelled",
    "ended",
    "not_begun",
    "retired",
}
"""States in which nothing is wrong and nothing goes on."""


def test_every_state_has_a_sign_but_for_those_where_nothing_happens() -> None:
    states = {*JobState, *FinishedState, *Status, *Severity, *(outcome for outcome, _ in LEDGERED)}

    assert {str(state) for state in states if sign_of(state) == OTHER} == WITHOUT_COLOUR


def test_signs_that_mean_different_things_differ_in_more_than_their_colour() -> None:
    tones: dict[str, set[Tone]] = {}
    for sign in SIGNS.values():
        tones.setdefault(sign.glyph, set()).add(sign.tone)

    del tones["○"]  # what is to come, and what could not be looked at: no page shows both
    assert all(len(found) == 1 for found in tones.values())


@pytest.mark.parametrize("tone", Tone)
def test_every_tone_has_its_colour_on_pages_light_and_dark_and_on_terminals(tone: Tone) -> None:
    styles = STYLES.read_text()

    assert len(re.findall(rf"--carillon-{tone}: #[0-9a-f]{{6}};", styles)) == 3
    assert tone is Tone.QUIET or f".carillon-tone-{tone} {{ color: var(--carillon-{tone}); }}" in styles
    assert tone in COLOURS
