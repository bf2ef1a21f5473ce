"""The trace that a run leaves. Knows nothing of jobs or schedules."""

from django.db import models


class Effect(models.Model):
    """One run of a task, seen by what it did."""

    key = models.CharField(max_length=200, db_index=True)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.key
