"""Metrics: finished turns and jobs are counted, states are observed, Prometheus and OTLP carry them away."""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from threading import Lock
from typing import Any

from opentelemetry.metrics import MeterProvider

from app.domain.incident import KINDS
from app.domain.job import Job
from app.domain.outcome import Outcome
from app.domain.turn import Call, Retrieval, Turn
from app.domain.usecase import UseCase
from app.telemetry.declared import BY_NAME, GaugeName
from app.telemetry.meters import Meters

MOST_VALUES = 100
OTHER = "other"
_PORTS_TRIED = 16
_log = logging.getLogger(__name__)
_lock = Lock()
_before: list[Callable[[], None]] = []
_seen: defaultdict[str, set[str]] = defaultdict(set)
_configured: tuple[str, str] | None = None


def _refresh() -> None:
    for callback in tuple(_before):
        try:
            callback()
        except Exception:  # a broken gauge must not take the others down with it
            _log.exception("a gauge could not be read")


_meters = Meters("app", "", _refresh)


def configure(service: str, endpoint: str) -> None:
    """Name the service; push every 15 s to an OTLP/HTTP endpoint when there is one.

    Call it first: what was counted or observed before is dropped. The same call again changes nothing.
    """
    global _meters, _configured
    with _lock:
        if _configured != (service, endpoint):
            _meters.close()
            _meters = Meters(service, endpoint, _refresh)
            _configured = (service, endpoint)


def provider() -> MeterProvider:
    """Give the provider that instrumentation of libraries reports to."""
    return _meters.provider


def flush() -> None:
    """Push what is waiting; for processes that end without running exit handlers."""
    _meters.provider.force_flush(5000)


def before_scrape(callback: Callable[[], None]) -> None:
    """Call back whenever Prometheus reads the metrics, to `observe` what only matters then; it must be quick."""
    _before.append(callback)


def forget_scrape(callback: Callable[[], None]) -> None:
    """Call back no more: who has stopped has nothing to observe."""
    if callback in _before:
        _before.remove(callback)


def render() -> tuple[bytes, str]:
    """Give the metrics as Prometheus reads them, and the media type."""
    with _lock:
        return _meters.render()


def serve(port: int, host: str = "127.0.0.1") -> int:
    """Serve /metrics of a worker; a taken port means a sibling process, so the next 15 are tried. Gives the port."""
    for candidate in range(port, port + (_PORTS_TRIED if port else 1)):
        try:
            bound = _meters.serve(candidate, host)
        except OSError:
            continue
        _log.info("metrics at http://%s:%s/metrics", host, bound)
        return bound
    raise OSError(f"none of the ports {port} to {port + _PORTS_TRIED - 1} is free for metrics")


def observe(name: GaugeName, value: float, /, **labels: str) -> None:
    """Set a gauge to what is true now."""
    _meters.gauges[name].set(value, _bounded(name, labels))


def announce(usecases: Iterable[UseCase]) -> None:
    """Publish what the contracts promise, for alerts to compare with, and start the counters of bad ends at zero.

    A counter that is born with its first failure shows no increase: Prometheus would miss it.
    """
    for usecase in usecases:
        contract, name = usecase.contract, usecase.name
        observe("contract_latency_p95_seconds", contract.latency.p95_ms / 1000, usecase=name)
        observe("contract_slo_ratio", contract.availability.slo, usecase=name)
        observe("contract_cost_month_usd", float(contract.cost.per_month_usd), usecase=name)
        observe("contract_quality_ratio", contract.quality.pass_rate, usecase=name)
        for outcome in (item for item in Outcome if item.family == "failed" or item is Outcome.REFUSED_BUDGET):
            for channel in ("api", "openai", "job"):
                _count_turn(name, outcome, "none", channel, 0)
        for kind in KINDS:
            _add("incidents_total", 0, usecase=name, kind=kind)


def record_turn(turn: Turn) -> None:
    """Count a turn that ended: outcome, time, retrieval, calls, tokens and money."""
    outcome = turn.outcome or Outcome.FAILED_INTERNAL
    name = turn.usecase.name
    _count_turn(name, outcome, turn.draft.rung if turn.draft else "none", turn.channel, 1)
    _time("turn_duration_seconds", turn.latency_ms, usecase=name, family=outcome.family, channel=turn.channel)
    for step in turn.tape.steps:
        if step.step == "retrieve" and turn.channel != "shadow":  # a shadow is handed what was found
            _time("retrieval_duration_seconds", step.ms, usecase=name)
            _record("passages_found", len(turn.passages), usecase=name)
    if turn.arm:
        _add("arm_turns_total", 1, usecase=name, arm=turn.arm, family=outcome.family)
        _time("arm_turn_duration_seconds", turn.latency_ms, usecase=name, arm=turn.arm)
    _saved(turn)
    for call in turn.tape.calls:
        _record_call(call, usecase=name, unit=turn.principal.unit or "none")


def record_calls(calls: Iterable[Call], *, usecase: str, unit: str) -> None:
    """Count calls of models that no turn made."""
    for call in calls:
        _record_call(call, usecase=usecase, unit=unit or "none")


def record_cache(usecase: str, result: str) -> None:
    """Count what a turn found in the cache of answers."""
    _add("cache_total", 1, usecase=usecase, result=result)


def record_housekeeping(step: str, *, failures: int) -> None:
    """Count how often a step of housekeeping broke; 0 lets the counter be born before its first failure."""
    _add("housekeeping_failures_total", failures, step=step)


def record_retention(data: str, rows: int) -> None:
    """Count rows that were deleted because of their age."""
    _add("retention_removed_total", rows, data=data)


def record_shadow(usecase: str, result: str) -> None:
    """Count a turn of a shadow's share: it ran, was refused, or was left out, and why."""
    _add("shadow_runs_total", 1, usecase=usecase, result=result)


def record_search(usecase: str, search: Retrieval) -> None:
    """Record one search: how long it took by which plan, and how many passages it weighed."""
    _time("search_duration_seconds", search.ms, usecase=usecase, plan=search.plan)
    _record("passages_considered", len(search.considered), usecase=usecase)


def record_unsealable(reason: str) -> None:
    """Count a sealed field that did not open."""
    _add("sealed_unreadable_total", 1, reason=reason)


def record_first_token(usecase: str, seconds: float) -> None:
    """Record how long an asker waited for the first streamed words."""
    _record("first_token_seconds", seconds, usecase=usecase)


def record_model_wait(provider: str, model: str, seconds: float) -> None:
    """Record how long a call waited before the model's door, whether or not it was let in."""
    _record("model_wait_seconds", seconds, provider=provider, model=model)


def record_retry(provider: str, model: str) -> None:
    """Count a call that repeats a failed one."""
    _add("model_retries_total", 1, provider=provider, model=model)


def record_over_limit(scope: str, unit: str) -> None:
    """Count a request that a limit refused."""
    _add("limits_refused_total", 1, scope=scope, unit=unit)


def record_unshared_limit(policy: str) -> None:
    """Count a request whose limits were judged while Redis was away."""
    _add("limits_unshared_total", 1, policy=policy)


def record_job(job: Job) -> None:
    """Count a job that is over: how it ended, how long it waited and ran."""
    _add("jobs_total", 1, kind=job.kind, status=job.status.value)
    if job.started_at:
        _record("job_queue_wait_seconds", (job.started_at - job.created_at).total_seconds(), kind=job.kind)
    if job.started_at and job.finished_at:
        _record("job_duration_seconds", (job.finished_at - job.started_at).total_seconds(), kind=job.kind)


def record_rollout_halt(usecase: str, metric: str) -> None:
    """Count a rollout that its guard took back."""
    _add("rollout_halts_total", 1, usecase=usecase, metric=metric)


def record_incident(usecase: str, kind: str) -> None:
    """Count something that was stopped before it left, or came in."""
    _add("incidents_total", 1, usecase=usecase, kind=kind)


def record_delivery(webhook: str, result: str) -> None:
    """Count a try to send an event to a receiver."""
    _add("webhook_deliveries_total", 1, webhook=webhook, result=result)


def record_review(usecase: str, kind: str, decision: str, waited_s: float) -> None:
    """Count a decision of a reviewer, and how long it was waited for."""
    _add("reviews_decided_total", 1, usecase=usecase, kind=kind, decision=decision)
    _record("review_wait_seconds", waited_s, kind=kind)


def _saved(turn: Turn) -> None:
    route = turn.tape.route
    amounts = {"cache": turn.tape.saved_usd, "route": route.saved_usd if route and route.saved_usd else Decimal(0)}
    for by, amount in amounts.items():
        # A cheaper model that had to be asked on top of the usual one saved less than nothing; a counter only grows.
        if amount > 0:
            _add("saved_usd_total", float(amount), usecase=turn.usecase.name, by=by)


def _record_call(call: Call, *, usecase: str, unit: str) -> None:
    kind = re.match(r"[a-z][a-z_]{1,30}(?=$|:)", call.error)
    outcome = "ok" if not call.error else kind.group() if kind else "failed"
    _add("model_calls_total", 1, provider=call.provider, model=call.model, revision=call.revision, outcome=outcome)
    _time("model_call_duration_seconds", call.latency_ms, provider=call.provider, model=call.model)
    _add("tokens_total", call.usage.input_tokens, usecase=usecase, direction="input")
    _add("tokens_total", call.usage.output_tokens, usecase=usecase, direction="output")
    if call.usage.cost_usd is None:
        _add("unpriced_calls_total", 1, model=call.model)
    else:
        _add("cost_usd_total", float(call.usage.cost_usd), usecase=usecase, unit=unit)


def _count_turn(usecase: str, outcome: Outcome, rung: str, channel: str, amount: int) -> None:
    _add(
        "turns_total", amount, usecase=usecase, outcome=outcome.value, family=outcome.family, rung=rung, channel=channel
    )


def _add(name: str, amount: float, **labels: str) -> None:
    _meters.counters[name].add(amount, _bounded(name, labels))


def _time(name: str, ms: float, **labels: str) -> None:
    _record(name, ms / 1000, **labels)


def _record(name: str, value: float, **labels: str) -> None:
    _meters.histograms[name].record(value, _bounded(name, labels))


def _bounded(name: str, labels: dict[str, str]) -> dict[str, Any]:
    if set(labels) != set(BY_NAME[name].labels):
        raise ValueError(f"{name} takes the labels {BY_NAME[name].labels}, not {tuple(labels)}")
    return {label: _known(label, value) for label, value in labels.items()}


def _known(label: str, value: str) -> str:
    # Units and models come from identity tokens and vendors: whoever invents new ones must not grow our memory.
    seen = _seen[label]
    if value not in seen and len(seen) >= MOST_VALUES:
        return OTHER
    seen.add(value)
    return value
