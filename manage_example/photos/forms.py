"""What visitors may say."""

from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.forms import modelform_factory

from photos.models import Photo

PhotoForm = modelform_factory(Photo, fields=["title", "image"])
SignUpForm = modelform_factory(User, UserCreationForm, fields=["username", "email"])
