"""The web address of a page of the documentation, for people who have installed the package and have no checkout."""

from __future__ import annotations

DOCS = "https://github.com/django-carillon/django-carillon/blob/main/docs/"


def address(page: str) -> str:
    """The web address of a page, which is named by its path below the documentation's folder."""
    return f"{DOCS}{page}"
