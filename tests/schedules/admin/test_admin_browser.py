"""The admin's pages in a real browser, under a strict Content-Security-Policy, which they must not offend."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, Route, sync_playwright

from schedules.models import Schedule
from tests import browser
from tests.processes import StartProcess, eventually
from tests.schedules.admin import admin_rows
from worker.models import FinishedJob

pytestmark = [pytest.mark.browser, pytest.mark.once]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
COLUMNS = ["NAME", "NEXT RUN", "STATUS", "WHEN", "LAST RUN"]
CUT_OFF = """cells => cells.filter(cell => {
    const box = cell.getBoundingClientRect()
    const list = cell.closest("#changelist-form").getBoundingClientRect()
    const outside = box.width == 0 || box.left < list.left - 1 || box.right > Math.min(list.right, innerWidth) + 1
    return outside || cell.scrollWidth > cell.clientWidth + 1
}).map(cell => cell.innerText)"""
OFFENCE = '<!doctype html><link rel="icon" href="data:,"><p style="color: red">inline</p>'


@pytest.fixture
def site(process: StartProcess) -> str:
    """The address of a server with a row in every state."""
    admin_rows.everything()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process("runserver", "--noreload", "--insecure", f"127.0.0.1:{port}")
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: _answers(address), within=30)
    return address


@pytest.fixture
def session(database: None) -> str:
    """The session of somebody who may do everything."""
    client = Client()
    client.force_login(User.objects.create_superuser("sue"))
    return client.cookies["sessionid"].value


@pytest.fixture
def addresses(site: str) -> list[str]:
    """One page of each kind."""
    declared = Schedule.objects.get(name="reports.nightly").pk
    own = Schedule.objects.get(name="emails.digest").pk
    failed = FinishedJob.objects.get(pk=900_002).pk
    lists = ["schedules/schedule", "schedules/occurrence", "schedules/leadership"]
    lists += ["worker/job", "worker/finishedjob", "worker/workerprocess"]
    pages = [f"{site}/admin/{each}/" for each in lists]
    pages += [f"{site}/admin/schedules/schedule/{pk}/change/" for pk in (declared, own)]
    return [*pages, f"{site}/admin/schedules/schedule/add/", f"{site}/admin/worker/finishedjob/{failed}/change/"]


@pytest.fixture
def page(site: str, session: str, addresses: list[str]) -> Iterator[Page]:
    """A tab whose every answer carries the policy. The rows are made before: its loop forbids the ORM here."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.executable(), args=["--no-sandbox"])
        context = chromium.new_context()
        context.add_cookies([{"name": "sessionid", "value": session, "url": site}])
        tab = context.new_page()
        tab.route("**/*", _with_policy)
        yield tab
        chromium.close()


def test_pages_offend_no_strict_policy_and_log_nothing(page: Page, site: str, addresses: list[str]) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))

    for address in addresses:
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200
        assert page.locator("#user-tools").count() == 1, address
    assert said == []

    page.goto(f"{site}/offence")
    assert "Content Security Policy" in said[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_column_of_the_schedules_is_seen_beside_both_side_bars(page: Page, site: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # it is one of the two
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{site}/admin/schedules/schedule/")

    assert page.locator("#nav-sidebar").bounding_box() is not None
    assert _columns(page) == COLUMNS
    assert _cut_off(page, "#result_list :is(thead, tbody) :is(th, td)") == []


def test_each_cell_of_the_schedules_is_seen_on_a_narrow_screen(page: Page, site: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{site}/admin/schedules/schedule/")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert _cut_off(page, "#result_list tbody :is(th, td)") == []
    first = [cell.bounding_box() for cell in page.locator("#result_list tbody tr:first-child :is(th, td)").all()]
    tops = [box["y"] for box in first if box is not None]
    assert len(tops) == 1 + len(COLUMNS)
    assert tops[1:] == sorted(tops[1:])


def _columns(page: Page) -> list[str]:
    """The heads of the columns from left to right."""
    heads = [
        (head.bounding_box(), head.inner_text().strip()) for head in page.locator("#result_list thead .text").all()
    ]
    return [text.upper() for _, text in sorted((box["x"], text) for box, text in heads if box and text)]


def _cut_off(page: Page, cells: str) -> list[str]:
    """The texts of cells that reach beyond the list, or whose words reach beyond them."""
    found: list[str] = page.locator(cells).evaluate_all(CUT_OFF)
    return found


def _with_policy(route: Route) -> None:
    if route.request.url.endswith("/offence"):
        route.fulfill(body=OFFENCE, content_type="text/html", headers={"content-security-policy": POLICY})
        return
    answer = route.fetch()
    route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": POLICY})


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/admin/login/", timeout=5):
            return True
    except urllib.error.URLError:
        return False
