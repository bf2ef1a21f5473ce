"""Code and settings → declarations → rows. The door: the decorators, and what they have declared in this process."""

from schedules.declarations.background import Background, background, background_tasks
from schedules.declarations.scheduled import in_code, scheduled

__all__ = ["Background", "background", "background_tasks", "in_code", "scheduled"]
