"""The listener of a process: a thread that hears of news in a session of its own, and in a new one when it is cut."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress

from django.db import DatabaseError, InterfaceError, connections

from worker import signals, wakeup
from worker.options import options
from worker.patience import Tries
from worker.sessions.connection import behind_pooler, private_connection
from worker.wakeup.asking import is_told, longest_wait
from worker.wakeup.ways import WAYS, Way

LONGEST_RETRY = 5.0
"""Seconds between two tries to listen."""
LONGEST_END = 2.0
"""Seconds to wait for the thread, which may be about to open a session."""


class Listener:
    """Calls `hear[topic]()` whenever there is news of that topic. One thread a process; `with` starts and ends it."""

    def __init__(
        self,
        alias: str,
        hear: Mapping[str, Callable[[], None]],
        ways: Mapping[str, Way] = WAYS,
        purpose: str = "listener",
    ) -> None:
        self.alias = alias
        self.hear = hear
        self.ways = ways
        self.purpose = purpose
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"carillon-{purpose}", daemon=True)

    def __enter__(self) -> Listener:
        wakeup.ears.append(self.tell)
        if is_told(self.alias):
            self.start()
        elif options().WAKEUP == "auto" and behind_pooler(connections[self.alias]):
            signals.news_unheard.send_robust(None, database=self.alias, asks_every=longest_wait(self.alias))
        return self

    def __exit__(self, *_: object) -> None:
        wakeup.ears.remove(self.tell)
        self.end()
        if self.thread.ident is not None:
            self.thread.join(timeout=LONGEST_END)

    def start(self) -> None:
        self.bell, self.bell_pull = socket.socketpair()  # wakes the thread when it is to end, or to look what it hears
        self.bell_pull.setblocking(False)
        self.thread.start()

    def ring(self) -> None:
        """There is something else to hear of, in `hear`."""
        with suppress(OSError):  # it rings already, or the thread has ended
            self.bell_pull.send(b".")

    def end(self) -> None:
        """Do not wait until it has."""
        self.closed.set()
        if self.thread.ident is not None:
            self.bell_pull.close()

    def tell(self, topic: str) -> None:
        hear = self.hear.get(topic)  # once: whoever waits leaves in a thread of his own
        if hear is not None:
            hear()

    def _run(self) -> None:
        tries = Tries(LONGEST_RETRY)
        with self.bell:
            while not self.closed.is_set():
                try:
                    with private_connection(self.alias, self.purpose) as own_alias:
                        self._listen(own_alias)
                except (DatabaseError, InterfaceError) as error:
                    delay = tries.failed(time.monotonic())
                    signals.database_lost.send_robust(None, name=self.purpose, error=error, retry_in=delay)
                    self.closed.wait(delay)

    def _listen(self, using: str) -> None:
        connection = connections[using]
        with closing(self.ways[connection.vendor](connection, self.hear, self.bell)) as news:
            for topics in news:
                if self.closed.is_set():
                    return
                for topic in list(topics):
                    self.tell(topic)
