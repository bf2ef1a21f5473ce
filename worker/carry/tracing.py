"""The carrier of a trace: where OpenTelemetry is at a call, and a span for the run that follows from it.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from worker.current import CurrentJob, current_job
from worker.raised import Cancel, Snooze

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

SYSTEM = "carillon"
"""`messaging.system` of the spans."""


class OpenTelemetry:
    """Carries the trace and the baggage of a call, as the project's propagators write them (W3C by default).

    spans: whether each run has a span of its own, of the kind CONSUMER. Otherwise the spans of its task are children
    of the span that was there at the call.

    The run of a job goes on with the trace of its call. The runs of a schedule may go on for years, so each begins a
    trace of its own, with a link to the call that made the schedule.
    """

    __module__ = "worker.carry"
    key = "opentelemetry"

    def __init__(self, *, spans: bool = True) -> None:
        try:
            from opentelemetry import context, propagate, trace
        except ImportError as missing:
            raise ImproperlyConfigured(
                "worker.carry.OpenTelemetry needs the package opentelemetry-api: "
                'pip install "django-carillon[opentelemetry]".'
            ) from missing
        self._spans = spans
        self._context, self._propagate, self._trace = context, propagate, trace

    def capture(self) -> dict[str, str] | None:
        headers: dict[str, str] = {}
        self._propagate.inject(headers)
        return headers or None

    @contextmanager
    def restore(self, value: dict[str, str]) -> Iterator[None]:
        there, job = self._propagate.extract(value), current_job()
        is_of_a_schedule = job is not None and job.scheduled_for is not None
        token = self._context.attach(self._without_span(there) if is_of_a_schedule else there)
        try:
            if self._spans and job is not None:
                with self._span(job, there if is_of_a_schedule else None) as span:
                    yield from self._watched(span)
            else:
                yield
        finally:
            self._context.detach(token)

    def _span(self, job: CurrentJob, linked: Context | None) -> Any:
        """`linked`: where the call was, whose trace the run does not go on with."""
        made_by = None if linked is None else self._trace.get_current_span(linked).get_span_context()
        return self._trace.get_tracer("carillon").start_as_current_span(
            f"process {job.queue}",
            kind=self._trace.SpanKind.CONSUMER,
            attributes=_attributes(job),
            links=[self._trace.Link(made_by)] if made_by is not None and made_by.is_valid else [],
            record_exception=False,
            set_status_on_exception=False,
        )

    def _watched(self, span: Span) -> Iterator[None]:
        try:
            yield
        except (Cancel, Snooze):  # the task says how its job goes on: no error
            raise
        except BaseException as error:
            span.record_exception(error)
            span.set_attribute("error.type", f"{type(error).__module__}.{type(error).__qualname__}")
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, str(error)))
            raise

    def _without_span(self, there: Context) -> Context:
        return self._trace.set_span_in_context(self._trace.INVALID_SPAN, there)


def _attributes(job: CurrentJob) -> dict[str, str | int]:
    """The names of the semantic conventions, and two of ours."""
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": job.queue,
        "messaging.message.id": str(job.id),
        "carillon.task": job.task,
        "carillon.attempt": job.attempt,
    }
