"""What is saved is indexed, in the background."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.db.models.signals import post_save

from tests.app.models import Effect
from tests.pages.tasks import index


def connect() -> None:
    post_save.connect(_index, sender=Effect)


def _index(instance: Model, **_: Any) -> None:
    index.enqueue(instance._meta.label, pk=str(instance.pk))
