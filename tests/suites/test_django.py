"""Django's own tests of Tasks, those of the version that is installed."""

from __future__ import annotations

from pathlib import Path

import django
import pytest

from tests.suites import suites
from tests.suites.archives import unpack

NOT_APPLICABLE = {
    "test_immediate_backend.ImmediateBackendTestCase": {
        "test_cannot_get_result": "that backend keeps no results, and ours does",
        "test_cannot_refresh_result": "that backend keeps no results, and ours does",
        "test_cannot_pass_run_after": "that backend cannot wait, and ours can",
        "test_throws_keyboard_interrupt": "there the caller runs the Task; in a worker it is an end like others",
    },
    "test_dummy_backend.DummyBackendTestCase": {
        "test_refresh_result": "it changes what that backend has in memory",
        "test_refresh_result_async": "it changes what that backend has in memory",
    },
}


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 5.2 has no Tasks, and django-tasks publishes no tests.")
@pytest.mark.usefixtures("django_db_setup")
def test_what_django_promises_of_its_backends_holds_for_ours(tmp_path: Path) -> None:
    folder = unpack("django", django.__version__, "tests/tasks", tmp_path)
    not_applicable = [f"tasks.{case}.{name}" for case, names in NOT_APPLICABLE.items() for name in names]

    assert suites.passed("django", folder, tmp_path / "report.json", not_applicable) >= 70
