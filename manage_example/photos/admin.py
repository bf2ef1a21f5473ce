"""Pictures in the admin."""

from django.contrib import admin

from photos.models import Photo

admin.site.register(Photo, list_display=["title", "uploaded_by", "uploaded_at", "announced_at"])
