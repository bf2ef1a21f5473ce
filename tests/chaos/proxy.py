"""A network between a process and its server, which can fall silent: nothing arrives, and nobody hears why."""

from __future__ import annotations

import ctypes
import selectors
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread

from django.db import connection

_USUAL_PORT = {"postgresql": 5432, "mysql": 3306}


@contextmanager
def proxies(count: int) -> Iterator[list[Proxy]]:
    """So many, before the server of the test database, until the block ends."""
    settings = connection.settings_dict
    server = (settings["HOST"] or "127.0.0.1", int(settings["PORT"] or _USUAL_PORT[connection.vendor]))
    opened = [Proxy(server) for _ in range(count)]
    try:
        yield opened
    finally:
        for each in opened:
            each.close()


class Proxy:
    """Forwards a port of its own on this host to the server, until told to stop."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._forwards = Event()
        self._forwards.set()
        self._ended = Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.opened = 0
        """Connections through it, until now."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut(self) -> None:
        """From now on nothing passes, neither words nor the end of a connection, and new ones are not answered.

        On Linux the kernel does not even acknowledge what is sent here, as if no packet arrived.
        """
        self._forwards.clear()
        for each in self._sockets():
            _lose_packets_to(each)

    def mend(self) -> None:
        """What was cut off learns that it was; new connections pass."""
        for each in self._sockets():
            _let_packets_through_to(each)
        cut_off, self._pairs = self._pairs, []
        self._forwards.set()
        for pair in cut_off:
            for end in pair:
                _hang_up(end)

    def close(self) -> None:
        self._ended.set()
        self._listener.close()
        self.mend()

    def _sockets(self) -> Iterator[socket.socket]:
        yield self._listener
        for pair in self._pairs:
            yield from pair

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._ended.is_set():
                client, _ = self._listener.accept()
                self.opened += 1
                self._forwards.wait()
                server = socket.create_connection(self._server)
                self._pairs.append((client, server))
                Thread(target=self._forward, args=(client, server), name="proxy pair", daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with ExitStack() as both, selectors.DefaultSelector() as readable, suppress(OSError, ValueError):
            for end, other in ((client, server), (server, client)):
                both.callback(_hang_up, end)
                readable.register(end, selectors.EVENT_READ, other)
            while True:
                for key, _ in readable.select():
                    said = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                    self._forwards.wait()
                    if not said:
                        return
                    key.data.sendall(said)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _lose_packets_to(end: socket.socket) -> None:
    """By a filter that keeps none of them: https://docs.kernel.org/networking/filter.html"""
    if sys.platform == "linux":
        with suppress(OSError):  # it is closed
            end.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(_KEEP_NOTHING)))


def _let_packets_through_to(end: socket.socket) -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # it is closed, or has lost none
            end.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)


_ATTACH_FILTER, _DETACH_FILTER = 26, 27
_KEEP_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
"""One instruction: return 0."""
