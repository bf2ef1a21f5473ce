"""Where each page is. Django itself serves the pictures, as long as DEBUG is true."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from photos import views

log_in = LoginView.as_view(template_name="photos/form.html", extra_context={"title": "Log in"})

urlpatterns = [
    path("", views.gallery, name="gallery"),
    path("upload/", views.upload, name="upload"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path("log-in/", log_in, name="log-in"),
    path("log-out/", LogoutView.as_view(), name="log-out"),
    path("admin/", admin.site.urls),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
