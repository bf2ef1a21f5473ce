"""The one table: pictures, and what the background has made of them so far."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Photo(models.Model):
    """A picture that somebody has uploaded."""

    title = models.CharField(max_length=80)
    image = models.ImageField(upload_to="photos")
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    uploaded_at = models.DateTimeField(default=timezone.now)
    thumbnail = models.ImageField(upload_to="thumbnails", blank=True)
    """Empty until `tasks.make_thumbnail` has run."""
    announced_at = models.DateTimeField(null=True, blank=True)
    """Empty until `tasks.announce` has got through."""

    objects: models.Manager[Photo] = models.Manager()

    class Meta:
        ordering = ["-uploaded_at"]

    def __str__(self) -> str:
        return self.title
