"""What a job carries from the place of its call to the place of its run: the carriers that come with the queue.

A carrier is an object with `capture()` and `restore(value)`; `settings.SCHEDULER["CARRY"]` lists those of the project.
Settings may import this module: it needs no app, no table and no setting until a call is made.
"""

from worker.carry.shipped import Language, TimeZone
from worker.carry.tracing import OpenTelemetry

__all__ = ["Language", "OpenTelemetry", "TimeZone"]
