"""Due occurrences → lines of the ledger and jobs."""
