"""A private PgBouncer in transaction mode before a PostgreSQL server, for as long as it is needed.

It is made to be a nuisance: each transaction goes to another server process than the one before, so whatever
was left on a session is not found again. Knows nothing of who asks through it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.databases import POOLED

PROGRAM = "pgbouncer"
_SECONDS_TO_START = 20.0

_CONFIGURATION = """\
[databases]
* = {server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_round_robin = 1
min_pool_size = 3
default_pool_size = 30
max_client_conn = 500
log_connections = 0
log_disconnections = 0
{user}
"""


def executable() -> str | None:
    """Debian keeps it where only root looks."""
    return shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/sbin")


@contextmanager
def pgbouncer_before(server: str) -> Iterator[str]:
    """Gives the URL, without a database, under which it answers for the server of that URL."""
    program = executable()
    assert program is not None
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="carillon-pgbouncer-") as folder:
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text(_CONFIGURATION.format(server=_address(server), port=port, user=_user(server)))
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([program, "--quiet", str(configuration)], stdout=log, stderr=log)
            try:
                _wait_until_it_listens(process, port, Path(log.name))
                yield f"{POOLED}://{urlsplit(server).username or 'postgres'}@127.0.0.1:{port}/"
            finally:
                process.kill()
                process.wait()


def _address(server: str) -> str:
    parts = urlsplit(server)
    address = {
        "host": parts.hostname or _folder_of_socket(server),
        "port": parts.port or 5432,
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password or ""),
    }
    return " ".join(f"{name}='{value}'" for name, value in address.items() if value)


def _user(server: str) -> str:
    """It refuses to be root, and must find a socket that root alone could."""
    if os.geteuid() != 0:
        return ""
    folder = _folder_of_socket(server)
    return f"user = {Path(folder).owner() if folder else 'nobody'}"


def _folder_of_socket(server: str) -> str:
    return parse_qs(urlsplit(server).query).get("host", [""])[0]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    raise RuntimeError(f"{PROGRAM} does not start:\n{log.read_text()}")
