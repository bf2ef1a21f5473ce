"""Backends of TASKS, ours and those of others, judged by the kit `worker.conformance`.

    python -m tests.backends [--database sqlite|postgresql]…

Each peer is installed in an environment of its own and runs what it is given by its own worker. The table goes into
`docs/reference/conformance.md`.
"""
