"""PostgreSQL: the record of one run in the transaction that it worked in, and how that transaction is known.

To parse and plan the record takes the server three times what it takes to do it. So it is prepared in each session, and
whether it is there is asked in each transaction: behind a pooler the next one may be in another session, and a task may
have discarded it. The plan is kept, so it must be good for any size of the table: it looks the job up by its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from worker.dialects.ack import FINISH, RECORD
from worker.dialects.ack.finishing import into_history

ENDED, NOT_HELD = "carillon: another transaction, ", "carillon: not held, "
"""What the server cannot read as a number, in the error with which such a record ends."""


class SingleRecord(NamedTuple):
    """SQL. Parameters: id and claim of the job, FINISH, and the instant at which the transaction began."""

    plain: str
    first: str
    """The same in a session in which it is not prepared yet. The driver has to write the values into it."""
    again: str
    """… in which it is."""
    only_retries: str
    """Where it leaves nothing in history, unless it repeats a finished job. It is not prepared."""
    asked: str
    """At which instant this transaction began, and whether the record is prepared in this session."""


@lru_cache(maxsize=4)
def single_record(jobs: str, history: str, reports: str, kinds: Sequence[str]) -> SingleRecord:
    """For these tables, whose columns FINISH are of these types."""
    types = ["bigint", "bigint", *kinds, "text"]
    plain = _statement(jobs, history, ["%s"] * len(types))
    only_retries = _statement(jobs, history, ["%s"] * len(types), reports)
    numbered = _statement(jobs, history, [f"${number}" for number, _ in enumerate(types, 1)])
    name = f"carillon_{crc32(numbered.encode()):08x}"
    again = f"SET LOCAL enable_seqscan = off; EXECUTE {name} ({', '.join(['%s'] * len(types))})"
    prepare = f"PREPARE {name} ({', '.join(types)}) AS {numbered}".replace("%", "%%")
    is_prepared = f"EXISTS (SELECT FROM pg_prepared_statements WHERE name = '{name}')"
    return SingleRecord(plain, f"{prepare}; {again}", again, only_retries, f"SELECT {_BEGUN_AT}, {is_prepared}")


def _statement(jobs: str, history: str, values: Sequence[str], reports: str = "") -> str:
    id, claim, *finish, begun_at = values
    recorded = ", ".join(RECORD)
    gone = f"DELETE FROM {jobs} WHERE id = {id} AND claim = {claim} RETURNING {recorded}"
    columns, values_of_gone = ", ".join((*RECORD, *FINISH)), ", ".join((*RECORD, *finish))
    return (
        f"{into_history(history, gone, columns, values_of_gone, reports)} "
        f"SELECT CASE WHEN {_BEGUN_AT} <> {begun_at} THEN ('{ENDED}' || count(*))::integer "
        f"WHEN count(*) = 0 THEN ('{NOT_HELD}' || count(*))::integer END FROM gone"
    )


_BEGUN_AT = "extract(epoch FROM transaction_timestamp())::text"
"""Not as a date: how that is written is the session's."""
