"""What a database refuses: one statement, for what it says or for want of a privilege. The session is well.

It may be for ever or for a while, for one row or for all. So whoever does something for many rows does it for fewer
then (`by_halves`), sets aside those that are refused alone (`SetAside`), and goes on with the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, NotSupportedError, ProgrammingError, connections

from worker.clock import Monotonic
from worker.dialects import dialect_of
from worker.patience import Patience

MOST_REFUSALS = 3
"""Row by row, and one more for each row that was taken in it. After that, the others would be refused as well."""
SHORTEST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds until what was set aside is tried again. They double each time."""
LONGEST_REASON = 1000
"""Characters of what the database said."""
_ABOUT_VALUES = (DataError, IntegrityError, NotSupportedError, ProgrammingError, OverflowError, TypeError, ValueError)
"""What is raised for what is written or read."""

Refused = dict[Any, Exception]
"""By the keys of rows, what the database says against each."""


class RowsRefused(IntegrityError):
    """The database refuses some rows, and the others are done."""


def is_refusal(error: BaseException, using: str) -> bool:
    """Whether a statement raised that for its own sake. Any other error of a database is about the session."""
    if isinstance(error, _ABOUT_VALUES):
        return True
    return isinstance(error, DatabaseError) and dialect_of(connections[using]).words.refuses(error)


def by_halves(
    keys: Sequence[Any], do: Callable[[Sequence[Any]], int], using: str, refused: Refused, most: int = MOST_REFUSALS
) -> Iterator[int]:
    """Do it for all rows with these keys; where the database refuses that, for each half of them, down to single rows.

    `do` is all or nothing, and returns for how many it was done. So does each step here. A row that is refused alone is
    added to `refused`. Raises what the database says where it refuses `most` rows, and more than were done: it would
    refuse the others as well.
    """
    done = alone = 0
    left = [keys] if keys else []
    while left:
        some, just_done = left.pop(), 0
        try:
            just_done = do(some)
        except Exception as error:
            if not is_refusal(error, using):
                raise
            if len(some) > 1:
                half = len(some) // 2
                left += [some[half:], some[:half]]
            else:
                refused[some[0]] = error
                alone += 1
                if alone >= most + done:
                    raise
        done += just_done
        yield just_done


def told(what: str, refused: Refused) -> RowsRefused:
    """One of the rows, why it is refused, and how many more there are. `what` they are, in one word."""
    key, why = next(reversed(refused.items()))
    others = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
    return RowsRefused(f"{what} {key}{others}: {said(why)}")


def said(error: BaseException | str) -> str:
    """The first line of what the database said, as the narrowest character set takes it."""
    return ascii(str(error).strip().partition("\n")[0])[1:-1][:LONGEST_REASON]


class SetAside:
    """Rows that one process passes over, since the database refuses to change them, until they are all tried again."""

    def __init__(self, clock: Monotonic) -> None:
        self.rows: Refused = {}
        self._clock = clock
        self._patience = Patience(LONGEST_PAUSE, SHORTEST_PAUSE)
        self._try_all_at = math.inf

    def begin(self) -> list[Any]:
        """If it is time to try them again, forget them. Returns their keys."""
        if self._clock.monotonic() < self._try_all_at:
            return []
        again = list(self.rows)
        self._try_all_at = math.inf
        self.rows.clear()
        return again

    def end(self) -> None:
        """All that was to be done has been tried by now."""
        if not self.rows:
            self._patience.reset()
        elif self._try_all_at == math.inf:
            self._try_all_at = self._clock.monotonic() + self._patience.next()

    @property
    def retry_in(self) -> float:
        """Seconds until they are tried again."""
        return self._try_all_at - self._clock.monotonic()
