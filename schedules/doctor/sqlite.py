"""Examines an SQLite database: the settings of its session, and the file system of its file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePath

from django.db import connections

from schedules.doctor.findings import Bytes, Case, Facts, Finding, Severity, one

SHORTEST_TIMEOUT = timedelta(seconds=1)
MOUNTS = Path("/proc/self/mounts")
SHARED = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "fuse.sshfs", "fuse.glusterfs")
"""How the types of file systems begin that other machines may write to."""
SYNCHRONOUS = ("off", "normal", "full", "extra")


def file(case: Case) -> Iterator[Finding]:
    """Transaction mode is a matter of settings: a system check looks at it."""
    journal, synchronous = one(case, "PRAGMA journal_mode"), SYNCHRONOUS[one(case, "PRAGMA synchronous")]
    timeout = timedelta(milliseconds=one(case, "PRAGMA busy_timeout"))
    size = Bytes(one(case, "PRAGMA page_count") * one(case, "PRAGMA page_size"))
    facts: Facts = {"journal": journal, "synchronous": synchronous, "timeout": timeout, "size": size}
    found = list(_weaknesses(case, journal, synchronous, timeout, facts))
    yield from found
    if not found:
        yield Finding("file", Severity.OK, "The file is set up for readers and writers side by side.", facts)


def file_system(case: Case) -> Iterator[Finding]:
    """Where it can be told; elsewhere nothing is said."""
    if connections[case.using].is_in_memory_db() or not MOUNTS.exists():  # type: ignore[attr-defined]
        return
    path = Path(connections[case.using].settings_dict["NAME"]).resolve()
    kind = _kind_of_file_system(path, MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    facts: Facts = {"path": str(path), "file system": kind}
    if kind.startswith(SHARED):
        yield Finding(
            "network-file-system",
            Severity.ERROR,
            "The database lies on a network file system, where locks do not hold: it may be corrupted.",
            facts,
            "Move the file to a local disk; for several machines use PostgreSQL or MariaDB.",
        )
    elif kind:
        yield Finding("file-system", Severity.OK, "The file lies on a local file system.", facts)


def _weaknesses(case: Case, journal: str, synchronous: str, timeout: timedelta, facts: Facts) -> Iterator[Finding]:
    options = f'DATABASES["{case.using}"]["OPTIONS"]'
    if journal not in ("wal", "memory"):
        yield Finding(
            "no-write-ahead-log",
            Severity.WARNING,
            "The file has no write-ahead log, so readers and workers wait for each other.",
            facts,
            f'Set {options}["init_command"] = "PRAGMA journal_mode = WAL".',
        )
    if synchronous == "off":
        yield Finding(
            "not-synchronous",
            Severity.WARNING,
            "Commits are not written through: a power cut may corrupt the file.",
            facts,
            f'Take PRAGMA synchronous out of {options}["init_command"]: SQLite writes each commit through by itself.',
        )
    if timeout < SHORTEST_TIMEOUT:
        yield Finding(
            "short-timeout",
            Severity.WARNING,
            "Writers wait only shortly for each other, and then fail.",
            facts,
            f'Set {options}["timeout"] = 20.',
        )


def _kind_of_file_system(path: PurePath, mounts: str) -> str:
    """The type of the innermost mount that holds the path; the last of several on one place hides the others."""
    depth, found = 0, ""
    for line in mounts.splitlines():
        _, escaped, kind, *_ = line.split(" ")
        place = PurePath(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), escaped))
        if path.is_relative_to(place) and len(place.parts) >= depth:
            depth, found = len(place.parts), kind
    return found
