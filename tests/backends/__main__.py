"""python -m tests.backends [--database sqlite|postgresql]… [--only NAME]…"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests import servers
from tests.backends import page
from tests.backends.contenders import CONTENDERS, Contender
from tests.backends.environments import python_of
from tests.backends.judge import Judgement, judge
from tests.databases import name_of_this_run
from tests.servers import Server, Unavailable

DATABASES = ("postgresql", "sqlite")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.backends", description="Judge backends of TASKS.")
    parser.add_argument("--only", action="append", choices=CONTENDERS, help="and write no page; repeatable")
    options = parser.parse_args()
    contenders = [CONTENDERS[name] for name in options.only or CONTENDERS]
    with ExitStack() as while_needed:
        places = {kind: servers.find(kind, while_needed, install_driver=False) for kind in DATABASES}
        judged = {
            each.name: {kind: _judged(each, kind, place) for kind, place in places.items()} for each in contenders
        }
        versions = [place.version for place in places.values()]
    if not options.only:
        page.write(judged, versions)


def _judged(contender: Contender, kind: str, place: Server) -> Judgement:
    try:
        python = python_of(contender.environment)
    except Unavailable as reason:
        sys.exit(f"{contender.name}: {reason}")
    name = f"{name_of_this_run()}_{contender.name.lower().replace('-', '_')}"
    with tempfile.TemporaryDirectory() as folder:
        url = place.url(name)
        if kind == "sqlite":
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        try:
            found = judge(contender, url, Path(folder) / "report", python=str(python))
        finally:
            place.drop(name)
    print(f"{contender.name}, {kind}:", *(f"{len(found.of(end))} {end}" for end in page.ENDS), flush=True)
    for each in found.of("failed"):
        print(f"  {each.name}: {each.why}", flush=True)
    return found


if __name__ == "__main__":
    main()
