"""The pages. A view writes its row and enqueues the work in one transaction: both are there, or neither is."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from photos.forms import PhotoForm, SignUpForm
from photos.models import Photo
from photos.tasks import announce, make_thumbnail, send_welcome

SHOWN = 24
BUSY_FOR = timedelta(minutes=1)


def gallery(request: HttpRequest) -> HttpResponse:
    """The newest pictures. The page reloads itself while something may still happen to one of them."""
    photos = Photo.objects.select_related("uploaded_by")[:SHOWN]
    busy_since = timezone.now() - BUSY_FOR
    busy = any(not photo.thumbnail or photo.uploaded_at > busy_since for photo in photos)
    return render(request, "photos/gallery.html", {"photos": photos, "busy": busy})


@login_required
def upload(request: HttpRequest) -> HttpResponse:
    photo = Photo(uploaded_by_id=request.user.pk)
    form = PhotoForm(request.POST or None, request.FILES or None, instance=photo)
    if form.is_valid():
        with transaction.atomic():
            form.save()
            make_thumbnail(photo.pk)
            announce(photo.pk)
        return redirect("gallery")
    return render(request, "photos/form.html", {"form": form, "title": "Upload a picture"})


def sign_up(request: HttpRequest) -> HttpResponse:
    form = SignUpForm(request.POST or None)
    if form.is_valid():
        with transaction.atomic():
            user = form.save()
            send_welcome(user.pk)
        login(request, user)
        return redirect("gallery")
    return render(request, "photos/form.html", {"form": form, "title": "Sign up"})
