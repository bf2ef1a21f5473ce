"""The same work on other queues, side by side with ours.

Each peer is a module `peer_<name>.py` that answers the same few commands (`perform.py`) in a virtual environment of
its own, with the versions in `requirements/`. The driver (`python -m tests.benchmarks.peers`) knows no queue: it
gives each contender a new store, asks, verifies that every job ran once, and prints the table.
"""
