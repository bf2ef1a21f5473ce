"""A suite of others in a process of its own: `python -m tests.suites.run <name> <folder> <report>`.

The folder has the tests. The report, a file of JSON, says for each test how it ended.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import TestSuite

import django


def main(name: str, folder: str, report: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.suites.settings"
    # Tests that are coroutines look at the lists of their backend, which are tables here.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    django.setup()
    from django.test import SimpleTestCase

    # They know of backends without a database only.
    SimpleTestCase.databases = {"default"}
    ended = _runner()(verbosity=0, interactive=False).run(_SUITES[name](Path(folder)))
    Path(report).write_text(json.dumps(ended))


def _of_django(folder: Path) -> str:
    from django.tasks.backends import dummy, immediate

    from tests.suites.adaptors import DrainingBackend, ListingBackend

    immediate.ImmediateBackend = DrainingBackend  # type: ignore[assignment,misc]
    dummy.DummyBackend = ListingBackend  # type: ignore[assignment,misc]
    sys.path.insert(0, str(folder.parent))
    return folder.name


def _runner() -> Any:
    from django.db.backends.signals import connection_created
    from django.test.runner import DiscoverRunner

    class Runner(DiscoverRunner):
        ended: dict[str, str] = {}

        def run(self, label: str) -> dict[str, str]:
            self.opened: list[Any] = []
            connection_created.connect(self._remember)
            self.run_tests([label])
            return self.ended

        def _remember(self, connection: Any, **_: Any) -> None:
            self.opened.append(connection)

        def run_suite(self, suite: TestSuite, **kwargs: Any) -> Any:
            self.ended = dict.fromkeys(_names(suite), "passed")
            result = super().run_suite(suite, **kwargs)
            skipped = {test.id() for test, _ in result.skipped}
            failed = {getattr(test, "test_case", test).id() for test, _ in [*result.failures, *result.errors]}
            self.ended |= dict.fromkeys(skipped, "skipped") | dict.fromkeys(failed, "failed")
            return result

        def teardown_databases(self, old_config: Any, **kwargs: Any) -> None:
            """A thread that has ended has left its connection open, and the database could not be dropped."""
            for each in self.opened:
                each.inc_thread_sharing()
                each.close()
            super().teardown_databases(old_config, **kwargs)

    return Runner


def _names(suite: TestSuite) -> Iterator[str]:
    for each in suite:
        if isinstance(each, TestSuite):
            yield from _names(each)
        else:
            yield each.id()


_SUITES = {"django": _of_django}


if __name__ == "__main__":
    main(*sys.argv[1:])
