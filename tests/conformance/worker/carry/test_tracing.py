"""The trace of a call goes on in its job, with the real SDK, on every database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import run_checks
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from pytest_django import Settings

from schedules import api, background
from schedules.testing import run_jobs
from tests.conformance.worker.process.workers import Crew
from worker import Cancel, Snooze
from worker.carry import OpenTelemetry
from worker.models import FinishedJob

pytestmark = pytest.mark.usefixtures("database")

_exporter = InMemorySpanExporter()
_provider = TracerProvider()
_provider.add_span_processor(SimpleSpanProcessor(_exporter))


@pytest.fixture(scope="module", autouse=True)
def _sdk() -> None:
    """It can be set once in a process."""
    trace.set_tracer_provider(_provider)


@pytest.fixture
def spans(settings: Settings) -> Iterator[InMemorySpanExporter]:
    settings.SCHEDULER = {"CARRY": ["worker.carry.OpenTelemetry"]}
    _exporter.clear()
    yield _exporter
    _exporter.clear()


@pytest.fixture
def tracer() -> Tracer:
    return trace.get_tracer("shop")


@background(queue="mail", keep_result=True)
def send() -> Any:
    with trace.get_tracer("shop").start_as_current_span("smtp"):
        return baggage.get_baggage("customer")


@background(max_attempts=1)
def fail() -> None:
    raise LookupError("no such order")


@background
def give_up() -> None:
    raise Cancel("no more")


@background
def pause() -> None:
    raise Snooze(3600)


def _named(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (span,) = [span for span in spans.get_finished_spans() if span.name == name]
    return span


def _id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def _trace(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.trace_id)


def test_a_job_goes_on_with_the_trace_and_the_baggage_of_its_call(
    spans: InMemorySpanExporter, tracer: Tracer, crew: Crew
) -> None:
    token = context.attach(baggage.set_baggage("customer", "acme"))
    with tracer.start_as_current_span("GET /order"):
        job = send()
    context.detach(token)

    crew.work_until_idle()

    request, run, smtp = (_named(spans, name) for name in ("GET /order", "process mail", "smtp"))
    assert run.parent is not None
    assert smtp.parent is not None
    assert (run.parent.span_id, smtp.parent.span_id) == (_id(request), _id(run))
    assert _trace(request) == _trace(run) == _trace(smtp)
    assert run.kind == SpanKind.CONSUMER
    assert dict(run.attributes or {}) == {
        "messaging.system": "carillon",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "mail",
        "messaging.message.id": str(job.pk),
        "carillon.task": send.task.name,
        "carillon.attempt": 1,
    }
    assert FinishedJob.objects.get().result == "acme"


def test_what_is_restored_ends_with_the_block(spans: InMemorySpanExporter, tracer: Tracer) -> None:
    carrier = OpenTelemetry()
    with tracer.start_as_current_span("GET /order"):
        value = carrier.capture()
    assert value is not None

    with carrier.restore(value):
        assert trace.get_current_span().get_span_context().is_valid
    assert not trace.get_current_span().get_span_context().is_valid


def test_the_next_job_is_in_no_trace(spans: InMemorySpanExporter, tracer: Tracer, crew: Crew) -> None:
    with tracer.start_as_current_span("GET /order"):
        send()
    send()

    crew.work_until_idle(threads=1)

    first, second = [span for span in spans.get_finished_spans() if span.name == "smtp"]
    assert _trace(first) == _trace(_named(spans, "GET /order"))
    assert second.parent is None
    assert _trace(second) != _trace(first)


def test_a_run_of_a_schedule_begins_a_trace_that_leads_to_the_call(spans: InMemorySpanExporter, tracer: Tracer) -> None:
    with tracer.start_as_current_span("POST /schedules"):
        api.schedule(send, name="nightly", repeat=3600)
    api.get("nightly").run_now()

    run_jobs()

    made, run = _named(spans, "POST /schedules"), _named(spans, "process mail")
    assert run.parent is None
    assert _trace(run) != _trace(made)
    assert [link.context.span_id for link in run.links] == [_id(made)]


def test_an_error_is_recorded_and_an_end_that_the_task_wanted_is_none(
    spans: InMemorySpanExporter, tracer: Tracer
) -> None:
    with tracer.start_as_current_span("GET /order"):
        fail()
        give_up()
        pause()

    run_jobs()

    failed, *wanted = [span for span in spans.get_finished_spans() if span.name == "process default"]
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "no such order")
    assert (failed.attributes or {})["error.type"] == "builtins.LookupError"
    assert [event.name for event in failed.events] == ["exception"]
    assert [(span.status.status_code, list(span.events)) for span in wanted] == [(StatusCode.UNSET, [])] * 2


def test_without_spans_of_the_queue_the_task_goes_on_with_the_span_of_the_call(
    settings: Settings, spans: InMemorySpanExporter, tracer: Tracer
) -> None:
    settings.SCHEDULER = {"CARRY": [OpenTelemetry(spans=False)]}
    with tracer.start_as_current_span("GET /order"):
        send()

    run_jobs()

    smtp = _named(spans, "smtp")
    assert smtp.parent is not None
    assert smtp.parent.span_id == _id(_named(spans, "GET /order"))
    assert len(spans.get_finished_spans()) == 2


def test_a_call_in_no_trace_carries_nothing(spans: InMemorySpanExporter) -> None:
    assert send().task_options is None


def test_without_the_package_the_check_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    settings.SCHEDULER = {"CARRY": ["worker.carry.OpenTelemetry"]}

    (message,) = [message for message in run_checks(tags=["worker"]) if message.id == "worker.E007"]

    assert 'pip install "django-carillon[opentelemetry]"' in message.msg
