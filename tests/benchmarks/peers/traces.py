"""The row that a writing job leaves, so that what was written can be counted. Knows no queue."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import connection, models

from tests.benchmarks.peers.django_project import set_up

if not settings.configured:
    set_up()


class Trace(models.Model):
    number = models.IntegerField()

    objects: ClassVar[models.Manager[Trace]] = models.Manager()

    class Meta:
        app_label = "peers"

    def __str__(self) -> str:
        return str(self.number)


def make_table() -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Trace)
