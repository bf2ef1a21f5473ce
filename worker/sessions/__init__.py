"""Private database sessions of a process."""
