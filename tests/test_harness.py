"""What the tests themselves rest on."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import django
import pytest
from hypothesis import settings

from tests import run, servers
from tests.app.models import Effect
from tests.benchmarks.peers import contenders, measures, stores
from tests.benchmarks.peers.conversation import Table
from tests.databases import PREFIX, django_settings
from tests.processes import StartProcess
from tests.run import ANY, Result
from tests.runs import Run
from tests.servers import Server, Unavailable

TESTS = Path(__file__).resolve().parent


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres@127.0.0.1:5432/postgres",
        "mysql://root@127.0.0.1:3306/shop",
        "sqlite:////srv/shop/db.sqlite3",
    ],
)
def test_a_database_that_is_not_for_tests_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=PREFIX):
        django_settings(url)


def test_a_password_and_a_socket_survive_the_url() -> None:
    given = django_settings(f"postgresql://clock:b%40ch@/{PREFIX}_1?host=/run/postgresql")

    assert given["PASSWORD"] == "b@ch"
    assert given["HOST"] == "/run/postgresql"


def test_a_started_process_sees_what_a_test_has_committed(database: None, process: StartProcess) -> None:
    Effect.objects.create(key="written by the test")
    count = "from tests.app.models import Effect; print('rows:', Effect.objects.count())"

    shell = process("shell", "--no-imports", "--command", count)

    assert shell.wait(within=30) == 0, shell.output
    assert "rows: 1" in shell.output


def test_what_runs_side_by_side_say_is_told_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    server = servers.sqlite()
    with ExitStack() as until_all_have_ended:
        first, second = (
            until_all_have_ended.enter_context(Run(server, f"{PREFIX}_{name}", ["--version"], aside=True))
            for name in ("first", "second")
        )
        assert (second.wait(), first.wait()) == (0, 0)

    said = ["", server.version, f"pytest {pytest.__version__}"]
    assert capsys.readouterr().out.splitlines() == [*said, *said]


def test_what_has_failed_is_named_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_addoption, pytest_terminal_summary\n")
    (tmp_path / "test_such.py").write_text(
        "def test_holds(): pass\ndef test_fails(): 1 / 0\ndef test_errs(nothing): pass\n"
    )
    server = servers.sqlite()

    with Run(server, f"{PREFIX}_such", ["-c", str(TESTS.parent / "pyproject.toml"), str(tmp_path)], aside=True) as such:
        summary = run._summary([run._verdict("sqlite", server, such)])

    assert summary.splitlines()[-2:] == ["    test_such.py::test_fails", "    test_such.py::test_errs"]


@pytest.mark.parametrize(
    ("side_by_side", "which"),
    [
        (False, {"first": [], "second": ["--only-database-tests"]}),
        (
            True,
            {
                "first": ["--only-database-tests"],
                "second": ["--only-database-tests"],
                ANY: ["--no-database-tests"],
            },
        ),
    ],
    ids=["one after the other", "side by side"],
)
def test_what_says_the_same_on_each_database_runs_once(
    monkeypatch: pytest.MonkeyPatch, side_by_side: bool, which: dict[str, list[str]]
) -> None:
    begun: dict[str, list[str]] = {}

    class Noted(Run):
        """It begins nothing, and has failed."""

        failed: list[str] = []

        def __init__(self, server: Server, database: str, arguments: Sequence[str], *, aside: bool) -> None:
            begun[database.rpartition("_")[2]] = list(arguments)

        def __exit__(self, *_: object) -> None:
            pass

        def wait(self) -> int:
            return int(pytest.ExitCode.TESTS_FAILED)

    monkeypatch.setattr(run, "Run", Noted)
    places = dict.fromkeys(("first", "second"), servers.sqlite())

    verdicts = run._test_on({**places, "third": Unavailable("not here")}, ["-q"], side_by_side=side_by_side)

    assert begun == {name: ["-q", *arguments] for name, arguments in which.items()}
    assert {each.database for each in verdicts if each.result is Result.FAILED} == set(which)


def test_properties_have_one_profile_and_no_deadline_on_a_busy_machine() -> None:
    of_its_own = re.compile(r"^@?(?:\w+ = )?settings\([^)]*\b(?:deadline|database|print_blob)=", re.MULTILINE)

    assert (settings().deadline, settings().database, settings().print_blob) == (None, None, True)
    assert [str(path) for path in TESTS.rglob("*.py") if of_its_own.search(path.read_text())] == []


def test_measures_are_chosen_by_their_names_or_with_all_of_their_kind() -> None:
    of_tasks = [each.name for each in measures.MEASURES if each.name.startswith("tasks-")]

    assert [each.name for each in measures.chosen(["tasks"])] == of_tasks
    assert [each.name for each in measures.chosen(["tasks-get", "drain"])] == ["drain", "tasks-get"]
    assert measures.chosen([]) == measures.MEASURES


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has no Tasks")
def test_a_backend_of_tasks_beside_others_counts_only_with_the_results_that_its_tasks_returned() -> None:
    on_sqlite = next(each for each in contenders.CONTENDERS if each.is_ours and "sqlite" in each.stores)
    ours = replace(on_sqlite, framework=contenders.Framework(drained=20))
    with ExitStack() as while_needed:
        table = Table(ours, Path(sys.executable), {"sqlite": stores.SQLite()}, while_needed)

        assert measures.get_results(table, 20)["results/s"][0] > 0
