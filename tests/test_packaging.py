"""What the wheel holds: the two apps, whole, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("schedules", "worker")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel as it would be published, built without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True)
    return ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_schedules_and_worker_and_nothing_else(wheel: ZipFile) -> None:
    rooms = {name.partition("/")[0] for name in wheel.namelist()}

    assert {room for room in rooms if not room.endswith(".dist-info")} == set(APPS)


@pytest.mark.parametrize("app", APPS)
def test_the_wheel_holds_every_file_of_an_app(wheel: ZipFile, app: str) -> None:
    in_checkout = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / app).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert {name for name in wheel.namelist() if name.startswith(f"{app}/")} == in_checkout
    assert {f"{app}/py.typed", f"{app}/migrations/0001_initial.py"} <= in_checkout


def test_the_wheel_asks_for_what_the_apps_import_and_no_more(wheel: ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())

    requirements = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert requirements == ["croniter<8,>=7", "django>=5.2", "pytz", "wcwidth>=0.3"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Name"] == "django-carillon"
