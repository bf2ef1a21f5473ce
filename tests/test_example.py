"""The example project and the README do what they say: newcomers begin there.

The demo runs as its user runs it, in real processes, on a SQLite file of its own in a temporary folder.
"""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import connect
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from PIL import Image

from tests.processes import eventually

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "manage_example"
PICTURES = 6
THUMBNAIL = (480, 360)
SECONDS = 60.0

WHERE_TO_LOOK = re.compile(r"(http://[\d.:]+/)\n.*kill -9 (\d+) or (\d+)", re.DOTALL)
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves on disk after it has run until idle."""
    folder = tmp_path_factory.mktemp("example")
    ended = _run("demo.py", "--until-idle", data=folder)
    assert ended.returncode == 0, ended.stdout
    return folder


def test_the_demo_leaves_a_thumbnail_of_every_picture(data: Path) -> None:
    thumbnails = sorted((data / "media" / "thumbnails").iterdir())

    assert len(list((data / "media" / "photos").iterdir())) == PICTURES
    assert [_size(thumbnail) for thumbnail in thumbnails] == [THUMBNAIL] * PICTURES


def test_the_demo_writes_its_report(data: Path) -> None:
    (report,) = (data / "reports").iterdir()

    with report.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == PICTURES


def test_the_demo_has_a_schedule_from_each_source(data: Path) -> None:
    schedules = dict(_query(data, "SELECT name, source FROM schedules_schedule WHERE next_run_at IS NOT NULL"))

    assert schedules == {
        "clear-sessions": "settings",
        "nightly-report": "settings",
        "photos.tasks.remove_strays": "code",
        "photos.tasks.remove_strays()": "call",
        "report-three-times-a-minute": "api",
    }


def test_what_is_delayed_waits_and_nothing_due_is_left(data: Path) -> None:
    live = _query(data, "SELECT task, state FROM worker_job")

    assert ("photos.tasks.send_welcome", "scheduled") in live
    assert {state for _, state in live} == {"scheduled"}


def test_the_demo_fails_when_a_thumbnail_is_missing(data: Path) -> None:
    thumbnail = next((data / "media" / "thumbnails").iterdir())
    picture = thumbnail.read_bytes()
    thumbnail.unlink()
    try:
        ended = _run("manage.py", "demo_results", data=data)
    finally:
        thumbnail.write_bytes(picture)

    assert ended.returncode == 1
    assert "No thumbnail of:" in ended.stdout


def test_the_example_passes_the_system_checks_and_its_migrations_are_up_to_date(tmp_path: Path) -> None:
    assert _run("manage.py", "check", "--fail-level=WARNING", data=tmp_path).returncode == 0
    assert _run("manage.py", "makemigrations", "--check", "photos", "example", data=tmp_path).returncode == 0


def test_ctrl_c_ends_the_demo_and_all_its_processes(tmp_path: Path) -> None:
    with _staying_demo(tmp_path) as (demo, output):
        said = eventually(lambda: WHERE_TO_LOOK.search(output.read_text()), SECONDS)
        assert said
        page, *workers = said.groups()
        eventually(lambda: _text_of(page).count('src="/media/thumbnails/') == PICTURES, SECONDS)
        demo.send_signal(signal.SIGINT)

        assert demo.wait(SECONDS) == 0
        assert not [pid for pid in workers if _is_running(int(pid))]
        with pytest.raises(URLError):
            _text_of(page)
        assert "Traceback" not in output.read_text()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_example_in_python_compiles(page: Path) -> None:
    for number, block in enumerate(PYTHON_BLOCK.findall(page.read_text()), start=1):
        compile(block, f"{page}, block {number}", "exec")


def _run(script: str, *arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    """Wait until it ends. Its `stdout` holds its errors too."""
    return subprocess.run(
        [sys.executable, EXAMPLE / script, *arguments],
        env=_environment(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextmanager
def _staying_demo(data: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The demo, and the file that it writes to. If it still runs at the end of the block, it is asked to end."""
    output = data / "output.txt"
    with output.open("wb") as file:
        demo = subprocess.Popen(
            [sys.executable, EXAMPLE / "demo.py"], env=_environment(data), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield demo, output
    finally:
        demo.terminate()
        demo.wait(SECONDS)


def _environment(data: Path) -> dict[str, str]:
    """Without the settings of the tests: the example has its own."""
    own = {"EXAMPLE_DATA": str(data), "PYTHONPATH": str(ROOT)}
    return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"} | own


def _size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        image.load()
        return image.size


def _query(data: Path, sql: str) -> list[tuple[str, str]]:
    with closing(connect(data / "example.sqlite3")) as connection:
        return connection.execute(sql).fetchall()


def _text_of(page: str) -> str:
    with urlopen(page, timeout=10) as response:
        text: str = response.read().decode()
        return text


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
