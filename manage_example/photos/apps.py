"""The Django app of the pictures."""

from django.apps import AppConfig


class PhotosConfig(AppConfig):
    name = "photos"
