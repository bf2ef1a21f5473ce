"""What a database refuses: one statement, for what it says or for want of a privilege. The session is well.

It may be for ever or for a while. So whoever does something for many rows does it row by row then, and whoever has
other things to do goes on with those.
"""

from __future__ import annotations

from django.db import DatabaseError, DataError, IntegrityError, NotSupportedError, ProgrammingError, connections

from worker.dialects import dialect_of

MOST_REFUSALS = 3
"""Row by row, and one more for each row that was taken in it. After that, the others would be refused as well."""
_ABOUT_VALUES = (DataError, IntegrityError, NotSupportedError, ProgrammingError, OverflowError, TypeError, ValueError)
"""What is raised for what is written or read."""


def is_refusal(error: BaseException, using: str) -> bool:
    """Whether a statement raised that for its own sake. Any other error of a database is about the session."""
    if isinstance(error, _ABOUT_VALUES):
        return True
    return isinstance(error, DatabaseError) and dialect_of(connections[using]).refuses(error)
