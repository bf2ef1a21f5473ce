"""The statements of the queue in one kind of database, by what they are about."""

from __future__ import annotations

from typing import NamedTuple

from worker.dialects.ack import Acks
from worker.dialects.claim import Claims
from worker.dialects.insertions import Insertions
from worker.dialects.lanes import Lanes
from worker.dialects.locks import Locks
from worker.dialects.many import ManyRows
from worker.dialects.promotion import Promotion
from worker.dialects.words import Words


class Dialect(NamedTuple):
    """Each is in SQL that every database here understands, unless a database does it better."""

    words: Words
    many: ManyRows
    locks: Locks
    insertions: Insertions
    promotion: Promotion
    lanes: Lanes
    claims: Claims
    acks: Acks
