"""The tests of django-tasks-db, a backend of others in the database."""

from __future__ import annotations

import shutil
from pathlib import Path

import django
import pytest

from tests.suites import suites
from tests.suites.archives import unpack

VERSION = "0.13.0"
TASKS_OF_DJANGO = django.__version__ if django.VERSION >= (6, 0) else "6.0.10"
"""Whose tests have the tasks that those of django-tasks-db use."""

LEFT_OUT = {
    "DatabaseTaskResultTestCase": "rows that its worker locks",
    "ConnectionExclusiveTranscationTestCase": "how it begins a transaction on SQLite",
    "DatabaseBackendPruneTaskResultsTestCase": "its command that prunes",
    "DatabaseWorkerProcessTestCase": "its worker as a process",
    "CompatTestCase": "where it imports the framework from",
    "DBTaskResultOrderingTestCase": "the order of its model",
    "AdminTestCase": "its admin",
}
NOT_APPLICABLE = {
    "DatabaseBackendTestCase": {
        "test_custom_id_function": "ids there are UUIDs that a function makes",
        "test_unknown_id_function": "ids there are UUIDs that a function makes",
        "test_postgres_db_id_function": "ids there are UUIDs that a function makes",
        "test_postgres_id_function_expression": "ids there are UUIDs that a function makes",
        "test_enqueue_task": "it wants the id to be a UUID; Django's test of that name passes",
        "test_enqueue_task_async": "it wants the id to be a UUID; Django's test of that name passes",
        "test_refresh_result": "it writes into the columns of its model",
        "test_refresh_result_async": "it writes into the columns of its model",
        "test_invalid_task_path": "it makes a row of its model",
        "test_missing_task_path": "it makes a row of its model",
        "test_priority_range_check": "it makes rows of its model",
        "test_task_name": "it makes rows of its model",
        "test_run_after_null_0016_migration": "what one of its migrations does",
        "test_index_scan_for_ready": "the index of its model",
        "test_database_backend_app_missing": "the name of its app in INSTALLED_APPS",
    },
    "DatabaseBackendWorkerTestCase": {
        "test_failing_task": "its task raises with other words; Django's test_catches_exception passes",
        "test_complex_return_value": "its own words of the error; Django's test of that name passes",
        "test_doesnt_process_different_backend": "a worker there has one backend; ours runs the jobs of all",
        "test_invalid_task_path": "it makes a row of its model",
        "test_missing_task_path": "it makes a row of its model",
        "test_task_import_string": "it makes a row of its model",
        "test_run_after": "it writes into a column of its model",
        "test_run_after_priority": "the order of its model",
        "test_verbose_logging": "what its command prints",
        "test_max_tasks": "what its command prints",
        "test_unknown_backend": "a flag of its command",
        "test_incorrect_backend": "a flag of its command",
        "test_exclude_queues_requires_processing_all_queues": "flags of its command",
        "test_negative_interval": "a flag of its command",
        "test_infinite_interval": "a flag of its command",
        "test_fractional_interval": "a flag of its command",
        "test_zero_interval": "a flag of its command",
        "test_negative_max_tasks": "a flag of its command",
        "test_zero_max_tasks": "a flag of its command",
        "test_too_long_worker_id": "a flag of its command",
        "test_empty_worker_id": "a flag of its command",
    },
}


@pytest.mark.usefixtures("django_db_setup")
def test_what_django_tasks_db_promises_holds_for_our_backend(tmp_path: Path) -> None:
    folder = unpack("django_tasks_db", VERSION, "tests", tmp_path)
    shutil.copy(unpack("django", TASKS_OF_DJANGO, "tests/tasks", tmp_path) / "tasks.py", folder)
    not_applicable = [f"tests.tests.{case}.{name}" for case, names in NOT_APPLICABLE.items() for name in names]
    left_out = [f"tests.tests.{case}" for case in LEFT_OUT]

    assert suites.passed("django_tasks_db", folder, tmp_path / "report.json", not_applicable, left_out) >= 23
