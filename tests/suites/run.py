"""A suite of others in a process of its own: `python -m tests.suites.run <name> <folder> <report> [<class>…]`.

The folder has the tests. The report, a file of JSON, says for each test how it ended. Classes that are named are left
out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import TestCase, TestSuite

import django


def main(name: str, folder: str, report: str, *left_out: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.suites.settings"
    # Tests that are coroutines look at the lists of their backend, which are tables here.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    django.setup()
    from django.test import SimpleTestCase

    # They know of backends without a database only.
    SimpleTestCase.databases = {"default"}
    ended = _runner()(verbosity=0, interactive=False).run(_SUITES[name](Path(folder)), left_out)
    Path(report).write_text(json.dumps(ended))


def _of_django(folder: Path) -> str:
    from django.tasks.backends import dummy, immediate

    from tests.suites.adaptors import DrainingBackend, ListingBackend

    immediate.ImmediateBackend = DrainingBackend  # type: ignore[assignment,misc]
    dummy.DummyBackend = ListingBackend  # type: ignore[assignment,misc]
    sys.path.insert(0, str(folder.parent))
    return folder.name


def _of_django_tasks_db(folder: Path) -> str:
    """Its tests import tasks that it does not publish; those of Django's tests have the same names."""
    import tests
    from tests.suites.django_tasks_db import stand_in

    stand_in()
    tests.__path__.append(str(folder))
    if django.VERSION >= (6, 0):
        import_module("tests.tasks")
    else:
        sys.modules["django.tasks"] = import_module("django_tasks")
        import_module("tests.tasks")
        del sys.modules["django.tasks"]
    return "tests.tests"


def _runner() -> Any:
    from django.db.backends.signals import connection_created
    from django.test.runner import DiscoverRunner

    class Runner(DiscoverRunner):
        ended: dict[str, str] = {}

        def run(self, label: str, left_out: Sequence[str]) -> dict[str, str]:
            self.opened: list[Any] = []
            self.left_out = left_out
            connection_created.connect(self._remember)
            self.run_tests([label])
            return self.ended

        def _remember(self, connection: Any, **_: Any) -> None:
            self.opened.append(connection)

        def run_suite(self, suite: TestSuite, **kwargs: Any) -> Any:
            suite = TestSuite(test for test in _tests(suite) if test.id().rpartition(".")[0] not in self.left_out)
            self.ended = {test.id(): "passed" for test in _tests(suite)}
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


def _tests(suite: TestSuite) -> Iterator[TestCase]:
    for each in suite:
        if isinstance(each, TestSuite):
            yield from _tests(each)
        elif isinstance(each, TestCase):
            yield each


_SUITES = {"django": _of_django, "django_tasks_db": _of_django_tasks_db}


if __name__ == "__main__":
    main(*sys.argv[1:])
