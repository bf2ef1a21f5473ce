"""What runs in the background. A job runs at least once, so each task does no harm when it runs again."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import PurePosixPath

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.utils import timezone
from PIL import Image, ImageOps

from photos.models import Photo
from schedules import HOURLY, background, scheduled

THUMBNAIL = (480, 360)
UPLOADING = timedelta(hours=1)
"""A file younger than this may belong to an upload that is not committed yet."""


@background
def make_thumbnail(photo_id: int) -> None:
    photo = Photo.objects.filter(pk=photo_id).first()
    if photo is None:
        return  # deleted meanwhile
    with photo.image.open() as file, Image.open(file) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    jpeg = BytesIO()
    ImageOps.fit(upright, THUMBNAIL).save(jpeg, "JPEG", quality=85)
    photo.thumbnail.delete(save=False)
    photo.thumbnail.save(f"{photo.pk}.jpg", ContentFile(jpeg.getvalue()), save=False)
    Photo.objects.filter(pk=photo_id).update(thumbnail=photo.thumbnail.name)


@background(max_attempts=8, backoff=2)
def announce(photo_id: int) -> None:
    """Tell the world, which listens only now and then. The next attempts come 2, 4, 8 … seconds later."""
    if random.random() < 0.5:
        raise ConnectionError("The world was not listening.")
    Photo.objects.filter(pk=photo_id, announced_at=None).update(announced_at=timezone.now())


@background(schedule=60)
def send_welcome(user_id: int) -> None:
    """A minute after signing up, when the first look around is over."""
    user = User.objects.get(pk=user_id)
    user.email_user("Welcome", f"Hello {user.username}, what will your first picture be?")


@scheduled(repeat=HOURLY)
def remove_strays() -> None:
    """Delete the files that no picture has any more."""
    wanted = set(Photo.objects.values_list("image", flat=True)) | set(Photo.objects.values_list("thumbnail", flat=True))
    for name in _stored_files():
        if name not in wanted and default_storage.get_modified_time(name) < timezone.now() - UPLOADING:
            default_storage.delete(name)


@background
def write_report() -> None:
    """All pictures as a table, one file a day."""
    table = StringIO(newline="")
    rows = csv.writer(table)
    rows.writerow(["title", "uploaded by", "uploaded at", "announced at"])
    rows.writerows(Photo.objects.values_list("title", "uploaded_by__username", "uploaded_at", "announced_at"))
    storages["reports"].save(f"{timezone.localdate()}.csv", ContentFile(table.getvalue().encode()))


def _stored_files() -> Iterator[str]:
    for folder in ("photos", "thumbnails"):
        if default_storage.exists(folder):
            _, names = default_storage.listdir(folder)
            yield from (str(PurePosixPath(folder, name)) for name in names)
