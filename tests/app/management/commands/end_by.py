"""A command that ends as it is told to."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--exit", nargs="?", const=None, default="unset")
        parser.add_argument("--error")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["error"]:
            raise CommandError(options["error"], returncode=2)
        sys.exit(options["exit"])
