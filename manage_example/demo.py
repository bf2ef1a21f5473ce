"""The demo: a web server and two workers on SQLite, and a guest who gives them something to do.

    python manage_example/demo.py [--until-idle]

It starts `manage.py` commands that you could type yourself, shows each, and ends all that still run when it ends.
What the guest does is said in `example/management/commands/demo_visit.py`.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

EXAMPLE = Path(__file__).resolve().parent
ROOT = EXAMPLE.parent
DATA = Path(os.environ.get("EXAMPLE_DATA", EXAMPLE / "data"))
WEB_LOG = DATA / "web.log"

HOST = "127.0.0.1"
PORTS = range(8000, 8100)
WORKERS = 2
SECONDS_TO_STOP = 40.0
"""A little more than a worker gives the jobs that it runs."""


class Ended(Exception):
    """Somebody wants the demo to end."""


class Failed(Exception):
    """The demo cannot go on; the message says why."""


class Demo:
    """The commands of the demo. Each has a session of its own, so Ctrl-C reaches the demo alone, which ends them."""

    def __init__(self) -> None:
        self.is_over = False
        self.processes: list[subprocess.Popen[bytes]] = []

    def end(self, *_: object) -> None:
        """From a signal handler: it leaves a note, which `wait_until` reads at a moment that suits."""
        self.is_over = True

    def start(self, *arguments: str, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        print(f"$ manage.py {' '.join(arguments)}", flush=True)
        process = subprocess.Popen(
            [sys.executable, EXAMPLE / "manage.py", *arguments],
            # The apps lie beside the example: they need not be installed.
            env={**os.environ, "EXAMPLE_DATA": str(DATA), "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output and subprocess.STDOUT,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def run(self, *arguments: str) -> None:
        """Raises Failed unless the command succeeds."""
        process = self.start(*arguments)
        self.wait_until(lambda: has_ended(process))
        if process.returncode:
            raise Failed(f"manage.py {arguments[0]} has failed (exit code {process.returncode}).")

    def wait_until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            if self.is_over:
                raise Ended
            time.sleep(0.05)

    def end_processes(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description="Show the example project at work.")
    parser.add_argument("--until-idle", action="store_true", help="do all that is due, say what happened, and end")
    options = parser.parse_args()
    demo = Demo()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), demo.end)
    try:
        demo.run("migrate", "--verbosity=0")
        work_until_idle(demo) if options.until_idle else stay(demo)
    except Ended:
        print("\nEnding …", flush=True)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    finally:
        demo.end_processes()
    return 0


def work_until_idle(demo: Demo) -> None:
    demo.run("demo_visit")
    demo.run("process_tasks", "--leader", "--until-idle")
    demo.run("list_schedule")
    demo.run("demo_results")


def stay(demo: Demo) -> None:
    """Until Ctrl-C. Raises Ended, or Failed when there is nothing left to see."""
    port = free_port()
    with WEB_LOG.open("wb") as log:
        web = demo.start("runserver", "--noreload", f"{HOST}:{port}", output=log)
    workers = [demo.start("process_tasks", "--leader") for _ in range(WORKERS)]
    demo.wait_until(lambda: answers(port) or has_ended(web))
    demo.run("demo_visit")
    print(where_to_look(port, workers), flush=True)
    demo.wait_until(lambda: has_ended(web) or all(map(has_ended, workers)))
    raise Failed(f"The web server or the last worker has ended; see above, and {WEB_LOG}.")


def where_to_look(port: int, workers: list[subprocess.Popen[bytes]]) -> str:
    return f"""
    The pictures   http://{HOST}:{port}/
    The admin      http://{HOST}:{port}/admin/   user: demo, password: demo
    The schedules  {sys.executable} manage_example/manage.py list_schedule
    On disk        {DATA}

    {len(workers)} processes work, and one of them leads. End the leader with
    kill -9 {" or ".join(str(worker.pid) for worker in workers)}, and the other takes the lead.
    Ctrl-C ends it all.
"""


def free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe:
            # As the web server does, which may follow upon another that has just ended.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise Failed(f"No port from {PORTS[0]} to {PORTS[-1]} is free on {HOST}.")


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


if __name__ == "__main__":
    sys.exit(main())
