"""Does what a visitor does, through the real pages; and asks for soon what otherwise comes tonight."""

from __future__ import annotations

import random
from http import HTTPStatus
from io import BytesIO
from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management.base import BaseCommand
from django.test import Client
from django.urls import reverse

from example.landscapes import LANDSCAPES, Landscape, paint
from photos.tasks import remove_strays, send_welcome, write_report
from schedules.api import schedule

OPERATOR = "demo"
PASSWORD = "a picture a day"


class Command(BaseCommand):
    help = "Sign a guest up, upload pictures, and let some of the work run at the pace of a demo."

    def handle(self, *args: Any, **options: Any) -> None:
        _open_admin()
        visitor = Client(SERVER_NAME="localhost")
        guest = _sign_up(visitor)
        for landscape in LANDSCAPES:
            _upload(visitor, landscape)
        _hurry(guest)
        self.stdout.write(f"{guest} has signed up and uploaded {len(LANDSCAPES)} pictures.")


def _open_admin() -> None:
    if not User.objects.filter(username=OPERATOR).exists():
        User.objects.create_superuser(OPERATOR, password=OPERATOR)


def _sign_up(visitor: Client) -> User:
    name = f"guest-{User.objects.count()}"
    _post(visitor, "sign-up", username=name, email=f"{name}@example.com", password1=PASSWORD, password2=PASSWORD)
    return User.objects.get(username=name)


def _upload(visitor: Client, landscape: Landscape) -> None:
    jpeg = BytesIO()
    paint(landscape, random.Random()).save(jpeg, "JPEG", quality=92)
    _post(visitor, "upload", title=landscape.title, image=SimpleUploadedFile("landscape.jpg", jpeg.getvalue()))


def _post(visitor: Client, page: str, **form: Any) -> None:
    response = visitor.post(reverse(page), form)
    if response.status_code != HTTPStatus.FOUND:
        raise RuntimeError(f"{page} was not accepted: {response.context['form'].errors.as_text()}")


def _hurry(guest: User) -> None:
    """What a call or the API asks for stands beside what code and settings declare."""
    send_welcome(guest.pk, schedule=5)
    remove_strays(repeat=10)
    write_report()
    schedule("photos.tasks.write_report", name="report-three-times-a-minute", cron="*/20 * * * * *")
