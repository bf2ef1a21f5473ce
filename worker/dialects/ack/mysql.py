"""How the end of a job is recorded on MySQL: as everywhere, but for how rows are written down, and deleted."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.db.backends.utils import CursorWrapper

from worker.dialects.ack import Acks


class MySQLAcks(Acks):
    def delete(self, cursor: CursorWrapper, jobs: str, ids: Sequence[int]) -> None:
        """A DELETE heeds no FORCE INDEX; but what is joined to a list is looked up by its key."""
        cursor.execute(
            f"DELETE job FROM JSON_TABLE(%s, '$[*]' COLUMNS (id BIGINT PATH '$')) AS ended "
            f"STRAIGHT_JOIN {jobs} AS job FORCE INDEX (PRIMARY) ON job.id = ended.id",
            [json.dumps(list(ids))],
        )

    def row_constructor(self, cursor: CursorWrapper) -> str:
        return "" if cursor.db.mysql_is_mariadb else "ROW"
