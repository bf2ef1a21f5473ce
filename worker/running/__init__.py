"""Run one job, and return its outcome."""
