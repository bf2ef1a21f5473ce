"""How soon a private session notices that the network to its server is cut. No error says so by itself.

Without this the kernel would wait for a quarter of an hour, and for ever if nothing was sent. After RESCUE_AFTER a
worker's jobs go to others anyway. This watches the network, and not the server: a server that is reachable may take as
long for a statement as it needs.
"""

from __future__ import annotations

import math
import os
import socket
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from worker.options import options

PROBES = 4
"""That stay unanswered, in the second half of the time."""


def options_of_driver(vendor: str) -> dict[str, Any]:
    """Where the project says something else in `OPTIONS`, that is right."""
    seconds = options().RESCUE_AFTER
    match vendor:
        case "postgresql":  # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
            return {
                "connect_timeout": math.ceil(seconds),
                "keepalives_idle": _idle(seconds),
                "keepalives_interval": _interval(seconds),
                "keepalives_count": PROBES,
                "tcp_user_timeout": round(1000 * seconds),
            }
        case "mysql":
            return {"connect_timeout": math.ceil(seconds)}
        case _:
            return {}


def watch(connection: BaseDatabaseWrapper) -> None:
    """MySQL's client has no such options, so they are set on its socket.

    It has a `read_timeout`, but that is how long a statement may take: one that waits for a lock would be cut short.
    """
    if connection.vendor != "mysql":
        return
    seconds = options().RESCUE_AFTER
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as line:
        if line.family not in (socket.AF_INET, socket.AF_INET6):
            return
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", _idle(seconds)),
            ("TCP_KEEPINTVL", _interval(seconds)),
            ("TCP_KEEPCNT", PROBES),
            ("TCP_USER_TIMEOUT", round(1000 * seconds)),
        ):
            if hasattr(socket, name):  # not every system has all of them
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _idle(seconds: float) -> int:
    return math.ceil(seconds / 2)


def _interval(seconds: float) -> int:
    return math.ceil(seconds / 2 / PROBES)
