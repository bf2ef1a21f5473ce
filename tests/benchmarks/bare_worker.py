"""What the machine allows: the least that can be called a worker. `python -m tests.benchmarks.bare_worker URL SOCKET`.

One statement claims a job, durably, and its task tells a socket when it began. No slots, no history, no arguments.
"""

from __future__ import annotations

import select
import socket
import sys
import time

import psycopg

CREATE = "CREATE TABLE IF NOT EXISTS bare_job (id bigserial PRIMARY KEY, number int, claimed_by int)"
ENQUEUE = "WITH job AS (INSERT INTO bare_job (number) VALUES (%s) RETURNING id) SELECT pg_notify('bare', '') FROM job"
CLAIM = (
    "UPDATE bare_job SET claimed_by = pg_backend_pid() WHERE id IN (SELECT id FROM bare_job WHERE claimed_by IS NULL "
    "ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED) RETURNING number"
)


def main(url: str, address: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        connection.execute("LISTEN bare")
        while True:
            for (number,) in connection.execute(CLAIM).fetchall():
                ears.sendto(f"{number} {time.monotonic()}".encode(), address)
            select.select([connection], [], [])
            list(connection.notifies(timeout=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
