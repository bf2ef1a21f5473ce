"""What needs attention stands on top of the list of schedules, each with where to look."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from tests.schedules.admin import admin_rows
from worker.models import FinishedState

pytestmark = pytest.mark.usefixtures("database")

LIST = "/admin/schedules/schedule/"
SECTION = re.compile(r'<section class="carillon-section carillon-attention".*?</section>', re.DOTALL)


def attention(admin_client: Client) -> str:
    found = SECTION.search(admin_client.get(LIST).content.decode())
    return "" if found is None else found[0]


def test_where_all_is_well_nothing_needs_attention(admin_client: Client) -> None:
    assert attention(admin_client) == ""


def test_failed_jobs_need_attention_and_a_link_leads_to_them(admin_client: Client) -> None:
    job = admin_rows.finished(900_001, FinishedState.FAILED, task="shop.mail")
    other = admin_rows.finished(900_002, FinishedState.FAILED, task="shop.pay")

    shown = attention(admin_client)
    assert "1 job of shop.mail failed for good" in shown

    address = next(unescape(link) for link in re.findall(r'href="(.+?)"', shown) if "shop.mail" in link)
    page = admin_client.get(address).content.decode()
    assert f"#{job.pk}" in page
    assert f"#{other.pk}" not in page
