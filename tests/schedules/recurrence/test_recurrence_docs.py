"""The examples in the documentation of time run, and print what they say."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[3] / "docs"
EXAMPLES = re.compile(r"^```pycon\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["reference/cron.md", "explanation/dst.md"])
def test_the_examples_print_what_they_say(page: str) -> None:
    examples = "".join(EXAMPLES.findall((DOCS / page).read_text(encoding="utf-8")))
    session = doctest.DocTestParser().get_doctest(examples, {}, page, page, 0)
    assert len(session.examples) > 10
    report: list[str] = []
    failed = doctest.DocTestRunner().run(session, out=report.append).failed
    assert not failed, "".join(report)
