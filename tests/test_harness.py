"""What the tests themselves rest on."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests import servers
from tests.app.models import Effect
from tests.databases import PREFIX, django_settings
from tests.processes import StartProcess
from tests.runs import Run

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


def test_properties_have_one_profile_and_no_deadline_on_a_busy_machine() -> None:
    of_its_own = re.compile(r"^@?(?:\w+ = )?settings\([^)]*\b(?:deadline|database|print_blob)=", re.MULTILINE)

    assert (settings().deadline, settings().database, settings().print_blob) == (None, None, True)
    assert [str(path) for path in TESTS.rglob("*.py") if of_its_own.search(path.read_text())] == []
