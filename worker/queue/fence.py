"""The fence of a job: the token of its claim, which whatever is done to a running job names."""

from __future__ import annotations

import secrets

UNHELD: dict[str, None] = {"claim": None, "worker_id": None, "claimed_at": None}
"""Columns of a job that nobody holds."""


def new_token() -> int:
    return secrets.randbits(63)
