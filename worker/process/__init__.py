"""One process: the worker's loop, and what belongs to it from start to end."""
