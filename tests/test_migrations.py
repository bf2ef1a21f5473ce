"""The tables that users get are those of the models."""

from __future__ import annotations

from django.core.management import call_command

from tests.processes import StartProcess


def test_every_change_of_a_model_has_its_migration(database: None) -> None:
    call_command("makemigrations", check_changes=True, dry_run=True)


def test_a_project_that_is_set_up_right_passes_all_checks(process: StartProcess) -> None:
    check = process("check", "--fail-level=WARNING", "--database=default")

    assert check.wait(within=60) == 0, check.output
