"""Sessions with the database that are a process's own."""
