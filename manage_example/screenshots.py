"""Makes the pictures of the documentation anew, from the demo at work: `make screenshots`.

Needs Chromium, or Google's browser, on PATH.
"""

from __future__ import annotations

import html
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

EXAMPLE = Path(__file__).resolve().parent
IMAGES = EXAMPLE.parent / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 90
COLUMNS = 120
COLOURS = 64
"""So many are enough for text, and keep a picture small."""

WHERE_THE_ADMIN_IS = re.compile(r"(http://[\d.:]+/admin/)")
COLOURED = re.compile(r"\x1b\[([\d;]+)m(.*?)\x1b\[0m")
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
  body { margin: 0; background: #1e1e1e }
  pre { width: max-content; margin: 0; padding: 16px 20px; color: #d4d4d4; font: 15px/21px monospace }
  .good { color: #57c786 } .bad { color: #ff7b72 } .busy { color: #58a6ff } .coming { color: #c297ff }
  .concern { color: #e3b341 } .head { font-weight: bold; color: #fff }
</style><pre>%s</pre>"""
CLASSES = {"1": "head", "31": "bad", "32": "good", "33": "concern", "34": "busy", "35": "coming"}


def main() -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"None of {', '.join(BROWSERS)} is on PATH.")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright, demo(Path(data)) as admin:
        # As root, in a container, Chromium has no sandbox.
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1180, "height": 700})
        photograph_admin(page, admin)
        page.set_content(TERMINAL % as_html(list_schedule(Path(data))))
        save(page.locator("pre").screenshot(), "list-schedule.png")


@contextmanager
def demo(data: Path) -> Iterator[str]:
    """The demo at work. Gives the address of its admin once two schedules have run."""
    output = data / "output.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, EXAMPLE / "demo.py"], env=environment(data), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield at_work(output)
    finally:
        process.terminate()
        process.wait()


def at_work(output: Path) -> str:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        said = output.read_text()
        admin = WHERE_THE_ADMIN_IS.search(said)
        if admin and said[admin.end() :].count("photos.tasks.write_report") >= 2:
            return admin[1]
        time.sleep(0.2)
    sys.exit(f"The demo was not ready after {SECONDS} s:\n{output.read_text()}")


def photograph_admin(page: Page, admin: str) -> None:
    page.goto(admin)
    page.fill("[name=username]", "demo")
    page.fill("[name=password]", "demo")
    page.click("[type=submit]")
    page.evaluate("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
    page.goto(f"{admin}schedules/schedule/")
    save(page.screenshot(), "admin-schedules.png")
    page.click("text=nightly-report")
    save(page.screenshot(), "admin-schedule.png")


def list_schedule(data: Path) -> str:
    """What it writes on a terminal."""
    terminal, its_side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, EXAMPLE / "manage.py", "list_schedule"],
        env={**environment(data), "COLUMNS": str(COLUMNS), "PYTHONIOENCODING": "utf-8"},
        stdout=its_side,
    )
    os.close(its_side)
    try:
        return "$ python manage.py list_schedule\n" + read_all(terminal)
    finally:
        os.close(terminal)
        process.wait()


def read_all(terminal: int) -> str:
    parts = []
    with suppress(OSError):  # so Linux says that nobody writes any more
        while part := os.read(terminal, 65536):
            parts.append(part)
    return b"".join(parts).decode().replace("\r\n", "\n")


def as_html(text: str) -> str:
    return COLOURED.sub(lambda match: f'<span class="{CLASSES[match[1]]}">{match[2]}</span>', html.escape(text))


def save(png: bytes, name: str) -> None:
    with Image.open(BytesIO(png)) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)
    print(IMAGES / name)


def environment(data: Path) -> dict[str, str]:
    return {**os.environ, "EXAMPLE_DATA": str(data), "PYTHONPATH": str(EXAMPLE.parent)}


if __name__ == "__main__":
    main()
