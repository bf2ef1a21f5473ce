"""The arguments of a task as a page shows them."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from worker import masking
from worker.admin import labels
from worker.arguments import InvalidArguments, stored_json
from worker.arguments.sealed import CannotDecode, opened
from worker.messages.echo import printable


def shown(task: str, arguments: str) -> SafeString:
    """The stored arguments of that task, without secrets."""
    try:
        args, kwargs = masking.arguments(task, *stored_json(arguments))
        text = pretty({"args": args, "kwargs": kwargs})
    except CannotDecode:
        text = _("These arguments are encoded, and SCHEDULER[CODEC] of this process cannot decode them.")
    except InvalidArguments:
        text = _("These arguments cannot be shown: they were not written by Carillon, or are nested too deeply.")
    return _block(text)


def shown_options(text: str | None) -> SafeString | str:
    """What a row says of its task, and what it carries, without secrets."""
    if text is None:
        return labels.NOTHING
    try:
        told = pretty(masking.result(json.loads(text)))
    except (ValueError, RecursionError):
        told = _("These options cannot be shown: they were not written by Carillon.")
    return _block(told)


def shown_result(text: str | None) -> SafeString | str:
    """The stored result of a task, without secrets."""
    if text is None:
        return labels.NOTHING
    try:
        told = pretty(masking.result(json.loads(opened(text))))
    except CannotDecode:
        told = _("This result is encoded, and SCHEDULER[CODEC] of this process cannot decode it.")
    except (ValueError, RecursionError):
        told = _("This result cannot be shown: it was not written by Carillon.")
    return _block(told)


def pretty(value: Any) -> str:
    """As JSON with escapes for what cannot be seen, and for lone surrogates, with which no page can be sent."""
    return printable(json.dumps(value, indent=2, ensure_ascii=False), but="\n")


def _block(text: str) -> SafeString:
    return format_html('<pre class="carillon-json">{}</pre>', text)
