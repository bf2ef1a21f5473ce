from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "tests.pages"

    def ready(self) -> None:
        from tests.pages import signal_handlers

        signal_handlers.connect()
