"""One job: called, and what came of it, as a value."""
