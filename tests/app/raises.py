"""A module that cannot be imported, and not because it is missing."""

raise ValueError("it is broken")
