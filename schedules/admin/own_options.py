"""Fields for options of the task that a schedule may override. An empty field takes the task's value."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from worker.own_options import said_in

LONGEST_BACKOFF = 1000
"""Characters."""


def shown_in(text: str | None) -> dict[str, Any]:
    """What the fields show of what a schedule says itself."""
    own = said_in(text)
    if "backoff" in own:
        own["backoff"] = " ".join(str(each) for each in _delays(own["backoff"]))
    return own


class BackoffField(forms.CharField):
    """Seconds, or several of them. Whether they will do, `spec_of` decides."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=LONGEST_BACKOFF, **options)

    def clean(self, value: Any) -> Any:
        given = super().clean(value).replace(",", " ").split()
        try:
            delays = [float(each) for each in given]
        except ValueError:
            raise forms.ValidationError(_("Give seconds, such as 15; or several, such as 5 60 600.")) from None
        return delays[0] if len(delays) == 1 else delays or None


class FlagField(forms.TypedChoiceField):
    """Yes, no, or as the task says."""

    def __init__(self, **options: Any) -> None:
        choices = [("", gettext_lazy("as its task says")), ("True", gettext_lazy("yes")), ("False", gettext_lazy("no"))]
        super().__init__(
            required=False, choices=choices, coerce=lambda value: value == "True", empty_value=None, **options
        )


def _delays(backoff: Any) -> list[Any]:
    """As they would be entered: without a fraction where they have none."""
    delays = backoff if isinstance(backoff, list) else [backoff]
    return [int(each) if isinstance(each, float) and each.is_integer() else each for each in delays]
