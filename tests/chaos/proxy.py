"""A network between a process and its server, which can fall silent: nothing arrives, and nobody hears why."""

from __future__ import annotations

import selectors
import socket
from contextlib import ExitStack, suppress
from threading import Event, Thread


class Proxy:
    """Forwards a port of its own on this host to the server, until told to stop."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._forwards = Event()
        self._forwards.set()
        self._ended = Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut(self) -> None:
        """From now on nothing passes, neither words nor the end of a connection, and new ones are not answered."""
        self._forwards.clear()

    def mend(self) -> None:
        """What was cut off learns that it was; new connections pass."""
        cut_off, self._pairs = self._pairs, []
        self._forwards.set()
        for pair in cut_off:
            for end in pair:
                _hang_up(end)

    def close(self) -> None:
        self._ended.set()
        self._listener.close()
        self.mend()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._ended.is_set():
                client, _ = self._listener.accept()
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
