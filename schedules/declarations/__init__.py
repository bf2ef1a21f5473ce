"""Code and settings → declarations → rows. The door: the decorators, and what they have declared."""

from schedules.declarations.background import background, background_tasks, in_code, scheduled

__all__ = ["background", "background_tasks", "in_code", "scheduled"]
