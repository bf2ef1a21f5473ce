"""What is published: a wheel with the two apps and nothing else, and a source archive that runs its own README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.of_files

ROOT = Path(__file__).resolve().parent.parent
APPS = ("schedules", "worker")


LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with wheel and source archive as they would be published, built without the network."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> ZipFile:
    return ZipFile(next(built.glob("*.whl")))


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


@pytest.fixture(scope="module")
def unpacked(built: Path) -> Path:
    """The source archive, in a folder where nothing else is."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(built / "unpacked", filter="data")
    (folder,) = (built / "unpacked").iterdir()
    return folder


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


def test_the_wheel_asks_for_what_the_apps_import_and_no_more(metadata: Message) -> None:
    requirements = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert requirements == ["croniter<8,>=7", "django>=5.2", "pytz", "wcwidth>=0.3"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Name"] == "django-carillon"


def test_every_link_of_the_published_readme_works_where_no_repository_is_beside_it(metadata: Message) -> None:
    (source,) = re.findall(r"Source, (\S+)", "\n".join(metadata.get_all("Project-URL", [])))

    for target in LINK.findall(str(metadata.get_payload())):
        kind = "raw" if target.endswith(".png") else "blob"
        assert target.startswith(f"{source}/{kind}/main/"), target
        assert (ROOT / target.removeprefix(f"{source}/{kind}/main/").partition("#")[0]).exists(), target


def test_whoever_unpacks_the_source_archive_can_run_the_demo_and_the_tests(unpacked: Path) -> None:
    assert "demo: $(installed)" in (unpacked / "Makefile").read_text()
    demo = _run(unpacked, "manage_example/demo.py", "--until-idle")
    tests = _run(unpacked, "-m", "tests.run", "--database", "sqlite", "-q", "tests/worker/test_backoff.py")

    assert demo.returncode == 0, demo.stdout
    assert tests.returncode == 0, tests.stdout


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As `make` does, but for the virtual environment, which takes the network."""
    own = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=own | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
