"""Says what became of the work of the demo, and fails if a picture has no thumbnail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count

from example.settings import DATA
from photos.models import Photo
from worker.models import FinishedJob, Job


class Command(BaseCommand):
    help = "Say what became of the work, and fail if a picture has no thumbnail."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("\nWhat happened to the jobs:")
        for line in _counts():
            self.stdout.write(f"  {line}")
        self.stdout.write("\nWhat they have left on disk:")
        for folder in (DATA / "media" / "thumbnails", DATA / "reports", DATA / "mail"):
            self.stdout.write(f"  {len(_files(folder))} in {folder}")
        without = [photo.title for photo in Photo.objects.all() if not _has_thumbnail(photo)]
        if without:
            raise CommandError(f"No thumbnail of: {', '.join(without)}.")


def _counts() -> list[str]:
    """One line for each task and state."""
    return [
        f"{row['task']:<28} {row['count']:>3} {row['state']}"
        for jobs in (FinishedJob, Job)
        for row in jobs.objects.values("task", "state").annotate(count=Count("*")).order_by("task", "state")
    ]


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def _has_thumbnail(photo: Photo) -> bool:
    return bool(photo.thumbnail) and Path(photo.thumbnail.path).exists()
