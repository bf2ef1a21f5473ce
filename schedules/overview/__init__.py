"""The read model: schedules, runs and problems, for the command line, the admin and the doctor alike.

It reads, and changes nothing. A selection is part of the query, so a part costs less than all. `health` asks only for
what is wrong. Its cost follows the number of problems, and not the number of schedules.
"""

from schedules.overview.health import MOST_COUNTED, counted, health
from schedules.overview.listing import of_rows, overview
from schedules.overview.previews import preview
from schedules.overview.running import MOST_RUNNING
from schedules.overview.scope import has_tables
from schedules.overview.selection import Selection, UnknownName

__all__ = [
    "MOST_COUNTED",
    "MOST_RUNNING",
    "Selection",
    "UnknownName",
    "counted",
    "has_tables",
    "health",
    "of_rows",
    "overview",
    "preview",
]
