"""An app as packages ship them: its tasks are declared through the package django-tasks, whatever Django is installed.

Wagtail is one. Beside Django 6 the package and Django's own framework then both read `TASKS`.
"""
