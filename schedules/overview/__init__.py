"""How everything stands: the one read model, for the command line, the admin and the doctor alike.

It reads, and changes nothing. A selection is part of the query, so that a part costs a part; and `health` asks for what
is wrong alone, which is little where little is wrong, however many schedules there are.
"""

from schedules.overview.health import MOST_COUNTED, counted, health
from schedules.overview.listing import of_rows, overview
from schedules.overview.previews import preview
from schedules.overview.scope import has_tables
from schedules.overview.selection import Selection, UnknownName

__all__ = [
    "MOST_COUNTED",
    "Selection",
    "UnknownName",
    "counted",
    "has_tables",
    "health",
    "of_rows",
    "overview",
    "preview",
]
