"""Every metric of the service, declared once, under the name that /metrics shows."""

from dataclasses import dataclass
from typing import Literal

GaugeName = Literal[
    "api_keys_expiring",
    "outbox_unsent",
    "outbox_oldest_seconds",
    "jobs_open",
    "dependency_up",
    "model_breaker_open",
    "flags_age_seconds",
    "flags_expired",
    "switch_off",
    "directory_age_seconds",
    "ai_paused",
    "db_pool_in_use",
    "db_pool_size",
    "quality_pass_ratio",
    "contract_latency_p95_seconds",
    "contract_slo_ratio",
    "contract_cost_month_usd",
    "budget_used_ratio",
    "budget_alert_ratio",
    "contract_quality_ratio",
    "restrictions_active",
    "audit_broken",
    "audit_verified_age_seconds",
    "incidents_open",
    "webhook_waiting",
    "webhook_oldest_seconds",
    "webhook_dead",
    "dead_jobs",
    "retention_age_seconds",
    "erasure_oldest_seconds",
    "reviews_open",
    "reviews_overdue",
    "reviews_oldest_seconds",
    "shadows_waiting",
    "rollout_halted",
]

# Edges at 2 and 8 s, the usual budgets of a chat and of a summary; from the cache's 5 ms up to the longest timeout.
_TURN_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60)
_WAIT_S = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600)
_REVIEW_S = (60, 300, 900, 3600, 4 * 3600, 8 * 3600, 24 * 3600, 72 * 3600, 168 * 3600)
_FOUND = (0, 1, 2, 3, 5, 8, 13, 20)
_WEIGHED = (0, 1, 3, 10, 20, 50, 100, 200)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its labels never hold people, questions or ids.

    A gauge with `fresh_s` is about the whole service and is forgotten that many seconds after it was observed: any
    process may observe it next, and a value that nobody renews must not pass for the truth.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    fresh_s: float = 0

    @property
    def series(self) -> tuple[str, ...]:
        """Give the names by which queries find this metric."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (self.name,)


def _counter(name: str, help_: str, *labels: str) -> Metric:
    return Metric(name, "counter", help_, labels)


def _gauge(name: GaugeName, help_: str, *labels: str, fresh_s: float = 0) -> Metric:
    return Metric(name, "gauge", help_, labels, fresh_s=fresh_s)


def _histogram(name: str, help_: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, "histogram", help_, labels, buckets)


METRICS = (
    _counter("turns_total", "turns that ended, by how", "usecase", "outcome", "family", "rung", "channel"),
    _histogram(
        "turn_duration_seconds",
        "time from the question to the recorded answer",
        *("usecase", "family", "channel"),
        buckets=_TURN_S,
    ),
    _histogram("first_token_seconds", "time from the question to the first streamed words", "usecase", buckets=_TURN_S),
    _counter(
        "model_calls_total",
        "calls of a model; outcome is ok or the kind of failure, revision names prompt, model and parameters together",
        *("provider", "model", "revision", "outcome"),
    ),
    _counter("model_retries_total", "calls of a model that repeat a failed one", "provider", "model"),
    _histogram(
        "model_wait_seconds", "time before a model's door: other calls went first", "provider", "model", buckets=_TURN_S
    ),
    _histogram("model_call_duration_seconds", "time of one model call", "provider", "model", buckets=_TURN_S),
    _counter("tokens_total", "tokens, direction input or output", "usecase", "direction"),
    _counter("cost_usd_total", "US dollars spent on calls with a known price", "usecase", "unit"),
    _counter(
        "cache_total",
        "turns that looked for an answer given before: hit, shared (waited for it), semantic, stale, miss, off, away",
        *("usecase", "result"),
    ),
    _counter("saved_usd_total", "US dollars that were not spent, by cache or by route", "usecase", "by"),
    _counter(
        "sealed_unreadable_total",
        "sealed fields that did not open; reason no_key, or altered (also: moved to another row)",
        "reason",
    ),
    _counter("unpriced_calls_total", "calls without a known price: their cost is missing, not zero", "model"),
    _histogram("retrieval_duration_seconds", "time of the retrieve step", "usecase", buckets=_TURN_S),
    _histogram("passages_found", "passages that the asker may read, per turn", "usecase", buckets=_FOUND),
    _histogram(
        "search_duration_seconds", "time of one search, by the plan it took", "usecase", "plan", buckets=_TURN_S
    ),
    _histogram("passages_considered", "passages that one search weighed", "usecase", buckets=_WEIGHED),
    _counter("housekeeping_failures_total", "steps of housekeeping that broke; the log says how", "step"),
    _counter("jobs_total", "jobs that ended, by how", "kind", "status"),
    _histogram("job_queue_wait_seconds", "time from accepted to started", "kind", buckets=_WAIT_S),
    _histogram("job_duration_seconds", "time from started to ended", "kind", buckets=_WAIT_S),
    _histogram(
        "http_server_request_duration_seconds",
        "time of HTTP requests, measured by the FastAPI instrumentation",
        *("http_request_method", "http_response_status_code", "http_route"),
        buckets=_TURN_S,
    ),
    _counter("arm_turns_total", "turns that an arm of a rollout answered", "usecase", "arm", "family"),
    _histogram("arm_turn_duration_seconds", "time of such turns", "usecase", "arm", buckets=_TURN_S),
    _counter("rollout_halts_total", "rollouts that the guard took back, by what was too high", "usecase", "metric"),
    _gauge("rollout_halted", "1 while a rollout is halted and nobody has started it again", "usecase", fresh_s=60),
    _gauge("outbox_unsent", "messages that have yet to leave for the queue, but for those of paused jobs", fresh_s=60),
    _gauge("outbox_oldest_seconds", "age of the oldest unsent message; 0 when there is none", fresh_s=60),
    _gauge("jobs_open", "jobs that are not over", "status", fresh_s=60),
    _gauge("dependency_up", "1 when the dependency answers, 0 when not", "dependency"),
    _gauge("model_breaker_open", "1 when calls of the model are held back, 0 when they go in", "provider", "model"),
    _gauge("flags_age_seconds", "time since this process last read the flags from where they live"),
    _gauge("flags_expired", "flags whose day of review has passed"),
    _gauge(
        "switch_off", "1 when a switch is off, 0 when not; subject is `ai`, a use case, or a kind and a name", "subject"
    ),
    _gauge(
        "directory_age_seconds",
        "time since the company's directory was last read; a billion when never, absent without a directory",
        fresh_s=60,
    ),
    _counter("retention_removed_total", "rows that were deleted because of their age", "data"),
    _gauge("retention_age_seconds", "time since the job that deletes what is old last ran to its end", fresh_s=60),
    _counter("shadow_runs_total", "turns of a shadow's share: ran, refused, or left out and why", "usecase", "result"),
    _gauge("shadows_waiting", "turns that wait for their shadow", "usecase", fresh_s=60),
    _gauge("erasure_oldest_seconds", "age of the oldest request to erase a person that is not done", fresh_s=60),
    _gauge("ai_paused", "1 when the kill switch holds the use case (or `all`), 0 when not", "usecase"),
    _gauge("db_pool_in_use", "database connections of this process that are in use"),
    _gauge("db_pool_size", "database connections that this process may open"),
    _gauge("quality_pass_ratio", "share of evaluation cases that passed in the latest run", "usecase"),
    _gauge("contract_latency_p95_seconds", "the contract's latency budget", "usecase"),
    _gauge("contract_slo_ratio", "the contract's share of turns that must not fail", "usecase"),
    _gauge("contract_cost_month_usd", "the contract's budget for a month", "usecase"),
    _gauge(
        "budget_used_ratio",
        "share of this month's budget of a use case or unit that is spent; 1 from where another turn does not fit",
        *("kind", "name"),
        fresh_s=60,
    ),
    _counter("limits_refused_total", "requests that a limit refused, by whose limit it is", "scope", "unit"),
    _counter(
        "limits_unshared_total",
        "requests that were judged without Redis: allow (counted by this process alone) or refuse",
        "policy",
    ),
    _gauge("restrictions_active", "people, keys and addresses that are kept out now, by who decided", "cause"),
    _gauge("budget_alert_ratio", "share of it at which the cost owner is warned", "kind", "name", fresh_s=60),
    _gauge("contract_quality_ratio", "the contract's share of evaluation cases that must pass", "usecase"),
    _gauge(
        "api_keys_expiring",
        "API keys that were used in the last month, end within two weeks, and have no successor",
        fresh_s=60,
    ),
    _gauge("audit_broken", "1 when the latest verification found that the audit was changed, 0 when not", fresh_s=60),
    _gauge("audit_verified_age_seconds", "time since the audit was last verified; a billion when never", fresh_s=60),
    _counter("incidents_total", "answers and questions that were stopped, by what was found", "usecase", "kind"),
    _gauge("incidents_open", "incidents that nobody has closed", "kind", fresh_s=60),
    _counter("reviews_decided_total", "reviews that a person decided on", "usecase", "kind", "decision"),
    _histogram("review_wait_seconds", "time from a review that opens to its decision", "kind", buckets=_REVIEW_S),
    _gauge("reviews_open", "reviews that wait for a person", "kind", fresh_s=60),
    _gauge("reviews_overdue", "reviews that nobody decided on in time", "kind", fresh_s=60),
    _gauge("reviews_oldest_seconds", "age of the oldest review that waits; 0 when there is none", "kind", fresh_s=60),
    _counter("webhook_deliveries_total", "tries to send an event: delivered, failed or dead", "webhook", "result"),
    _gauge("webhook_waiting", "events that wait to be sent to a receiver", "webhook", fresh_s=60),
    _gauge("webhook_oldest_seconds", "age of the oldest event that waits for a receiver", "webhook", fresh_s=60),
    _gauge("webhook_dead", "events that were given up for a receiver, and not sent again", "webhook", fresh_s=60),
    _gauge("dead_jobs", "jobs that failed within the last day", fresh_s=60),
)
BY_NAME = {metric.name: metric for metric in METRICS}
# What the Prometheus client says about the process by itself.
PROCESS = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
)
