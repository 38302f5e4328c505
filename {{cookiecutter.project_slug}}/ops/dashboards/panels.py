"""What the dashboard draws: rows of graphs, each a question that somebody on call asks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: queries with the label that names each line."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    help: str = ""


def panel(title: str, unit: str, *queries: tuple[str, str], help_: str = "") -> Panel:
    """Describe a graph in one line."""
    return Panel(title, unit, queries, help_)


def by(label: str) -> str:
    """Name lines after a label; Grafana's braces, put together so that no template engine takes them for its own."""
    return "{" * 2 + label + "}" * 2


def quantile(share: float, metric: str, *, by_: str, where: str = "") -> str:
    """Ask for a quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le, {by_}) (rate({metric}_bucket{where}[$__rate_interval])))"


def rate(metric: str, *, by_: str, where: str = "") -> str:
    """Ask for what happens per second."""
    return f"sum by ({by_}) (rate({metric}{where}[$__rate_interval]))"


_ASKED = '{usecase=~"$usecase",channel!~"evaluation|shadow"}'
_ANSWERED = '{usecase=~"$usecase",family="answered",channel!~"evaluation|shadow"}'
_CASE = '{usecase=~"$usecase"}'
_NOT_ANSWERED = '{usecase=~"$usecase",family!="answered"}'
_ERRORS = '{http_response_status_code=~"5.."}'

ROWS: dict[str, tuple[Panel, ...]] = {
    "Do people get answers?": (
        panel("Turns by how they end", "reqps", (rate("turns_total", by_="family", where=_ASKED), by("family"))),
        panel(
            "Share that fails",
            "percentunit",
            (f"usecase:turns_failed:ratio_rate1h{_CASE}", f"{by('usecase')}, one hour"),
            (f"1 - max by (usecase) (contract_slo_ratio{_CASE})", f"{by('usecase')}, allowed"),
            help_="TurnFailuresHigh pages at 14.4 times the allowed share (REL-1).",
        ),
        panel(
            "Time to the answer, p95, and the contract's budget",
            "s",
            (quantile(0.95, "turn_duration_seconds", by_="usecase", where=_ANSWERED), by("usecase")),
            (f"max by (usecase) (contract_latency_p95_seconds{_CASE})", f"{by('usecase')}, budget"),
            help_="TurnLatencyOverBudget pages above the budget (LAT-1).",
        ),
        panel(
            "Time to the answer, p50, p95, p99",
            "s",
            *(
                (quantile(q, "turn_duration_seconds", by_="family", where=_ANSWERED), f"p{q:.0%}".rstrip("%"))
                for q in (0.5, 0.95, 0.99)
            ),
        ),
        panel(
            "First words, p95", "s", (quantile(0.95, "first_token_seconds", by_="usecase", where=_CASE), by("usecase"))
        ),
        panel(
            "Why turns were refused or failed",
            "reqps",
            (rate("turns_total", by_="outcome", where='{usecase=~"$usecase",family!="answered"}'), by("outcome")),
        ),
    ),
    "Is it good?": (
        panel("Which rung answers", "reqps", (rate("turns_total", by_="rung", where=_ANSWERED), by("rung"))),
        panel(
            "Evaluation against the contract",
            "percentunit",
            (f"max by (usecase) (quality_pass_ratio{_CASE})", by("usecase")),
            (f"max by (usecase) (contract_quality_ratio{_CASE})", f"{by('usecase')}, promised"),
        ),
        panel(
            "Passages found per turn, median",
            "short",
            (quantile(0.5, "passages_found", by_="usecase", where=_CASE), by("usecase")),
        ),
    ),
    "What does it cost?": (
        panel("Dollars per hour, by use case", "currencyUSD", (f"usecase:cost_usd:increase1h{_CASE}", by("usecase"))),
        panel(
            "Dollars per hour, by unit",
            "currencyUSD",
            (f"sum by (unit) (increase(cost_usd_total{_CASE}[1h]))", by("unit")),
        ),
        panel(
            "Share of the month's budget spent in 30 days",
            "percentunit",
            (
                f"sum by (usecase) (increase(cost_usd_total{_CASE}[30d]))"
                f" / on (usecase) max by (usecase) (contract_cost_month_usd{_CASE})",
                by("usecase"),
            ),
        ),
        panel(
            "Budgets of this month, and where their owners are warned",
            "percentunit",
            ("max by (kind, name) (budget_used_ratio)", f"{by('kind')} {by('name')}"),
            ("max by (kind, name) (budget_alert_ratio)", f"{by('kind')} {by('name')}, warned"),
            help_="BudgetNearlyUsed, and BudgetUsedUp at 1: from there turns are refused with 402 (CST-2).",
        ),
        panel(
            "Dollars per hour not spent",
            "currencyUSD",
            (f"sum by (by) (increase(saved_usd_total{_CASE}[1h]))", by("by")),
            help_="By answers given again, and by routes to cheaper models (CST-4, CST-5).",
        ),
        panel("Answers given again", "reqps", (rate("cache_total", by_="result", where=_CASE), by("result"))),
        panel("Tokens", "short", (rate("tokens_total", by_="direction", where=_CASE), by("direction"))),
        panel("Calls without a known price", "reqps", (rate("unpriced_calls_total", by_="model"), by("model"))),
    ),
    "Models and search": (
        panel(
            "Model calls by outcome",
            "reqps",
            (rate("model_calls_total", by_="model, outcome"), f"{by('model')} {by('outcome')}"),
        ),
        panel(
            "Wait for a model's door, p95, and doors that are closed",
            "s",
            (quantile(0.95, "model_wait_seconds", by_="model"), by("model")),
            ("max by (model) (model_breaker_open)", f"{by('model')}, closed: 1"),
            help_="ModelBreakerOpen: calls keep failing, one at a time is tried (REL-7).",
        ),
        panel("Retries", "reqps", (rate("model_retries_total", by_="model"), by("model"))),
        panel("Model calls, p95", "s", (quantile(0.95, "model_call_duration_seconds", by_="model"), by("model"))),
        panel(
            "Retrieval, p95",
            "s",
            (quantile(0.95, "retrieval_duration_seconds", by_="usecase", where=_CASE), by("usecase")),
        ),
        panel(
            "One search, p95, by plan",
            "s",
            (quantile(0.95, "search_duration_seconds", by_="plan", where=_CASE), by("plan")),
            help_="exact: every visible vector is compared; index: the index is walked (SCL-2).",
        ),
        panel(
            "Passages weighed by one search, median",
            "short",
            (quantile(0.5, "passages_considered", by_="usecase", where=_CASE), by("usecase")),
        ),
    ),
    "Work in the queue": (
        panel(
            "Open jobs, and jobs that failed within a day",
            "short",
            ("max by (status) (jobs_open)", by("status")),
            ("max(dead_jobs)", "failed"),
        ),
        panel("Outbox", "short", ("max(outbox_unsent)", "unsent"), ("max(outbox_oldest_seconds)", "oldest, seconds")),
        panel("Housekeeping that broke", "reqps", (rate("housekeeping_failures_total", by_="step"), by("step"))),
        panel("Jobs that ended", "reqps", (rate("jobs_total", by_="kind, status"), f"{by('kind')} {by('status')}")),
        panel("Wait before a job starts, p95", "s", (quantile(0.95, "job_queue_wait_seconds", by_="kind"), by("kind"))),
        panel("Time a job takes, p95", "s", (quantile(0.95, "job_duration_seconds", by_="kind"), by("kind"))),
    ),
    "What waits for a person": (
        panel(
            "Reviews that wait",
            "short",
            ("max by (kind) (reviews_open)", by("kind")),
            ("max by (kind) (reviews_overdue)", f"{by('kind')}, overdue"),
            help_="ReviewsOverdue (REL-2).",
        ),
        panel("Age of the oldest review", "s", ("max by (kind) (reviews_oldest_seconds)", by("kind"))),
        panel(
            "Decisions of reviewers",
            "reqps",
            (rate("reviews_decided_total", by_="kind, decision", where=_CASE), f"{by('kind')} {by('decision')}"),
        ),
        panel("Time to a decision, p95", "s", (quantile(0.95, "review_wait_seconds", by_="kind"), by("kind"))),
    ),
    "What is tried, and how it goes": (
        panel(
            "Turns of each arm that fail or are refused",
            "percentunit",
            (
                f"sum by (usecase, arm) (rate(arm_turns_total{_NOT_ANSWERED}[$__rate_interval]))"
                f" / sum by (usecase, arm) (rate(arm_turns_total{_CASE}[$__rate_interval]))",
                f"{by('usecase')} {by('arm')}",
            ),
        ),
        panel(
            "Time to the answer of each arm, p95",
            "s",
            (
                quantile(0.95, "arm_turn_duration_seconds", by_="usecase, arm", where=_CASE),
                f"{by('usecase')} {by('arm')}",
            ),
        ),
        panel(
            "Rollouts that were taken back",
            "short",
            (
                f"sum by (usecase, metric) (increase(rollout_halts_total{_CASE}[1h]))",
                f"{by('usecase')} {by('metric')}",
            ),
            (f"max by (usecase) (rollout_halted{_CASE})", f"{by('usecase')}, halted: 1"),
            help_="RolloutHalted (CTL-2).",
        ),
        panel(
            "Shadows",
            "reqps",
            (rate("shadow_runs_total", by_="usecase, result", where=_CASE), f"{by('usecase')} {by('result')}"),
            (f"max by (usecase) (shadows_waiting{_CASE})", f"{by('usecase')}, waiting"),
        ),
    ),
    "What others are told": (
        panel(
            "Events sent to webhooks",
            "reqps",
            (rate("webhook_deliveries_total", by_="webhook, result"), f"{by('webhook')} {by('result')}"),
            help_="WebhookFailing (OPS-1).",
        ),
        panel(
            "Events that wait for a receiver, and that were given up",
            "short",
            ("max by (webhook) (webhook_waiting)", by("webhook")),
            ("max by (webhook) (webhook_dead)", f"{by('webhook')}, given up"),
        ),
        panel("Age of the oldest event that waits", "s", ("max by (webhook) (webhook_oldest_seconds)", by("webhook"))),
    ),
    "What is kept out, and kept": (
        panel(
            "Stopped on its way in or out",
            "reqps",
            (rate("incidents_total", by_="kind", where=_CASE), by("kind")),
            ("sum by (kind) (incidents_open)", f"{by('kind')}, open"),
            help_="OutputIncident (SEC-10).",
        ),
        panel(
            "Refused by a limit",
            "reqps",
            (rate("limits_refused_total", by_="scope, unit"), f"{by('scope')} {by('unit')}"),
            (rate("limits_unshared_total", by_="policy"), f"without Redis: {by('policy')}"),
        ),
        panel(
            "Kept out now",
            "short",
            ("max by (cause) (restrictions_active)", by("cause")),
            help_="SpendingRestricted (REL-5).",
        ),
        panel(
            "Audit: since it was verified, and whether it is broken",
            "s",
            ("max(audit_verified_age_seconds)", "since the last verification"),
            ("max(audit_broken)", "broken: 1"),
            help_="AuditBroken (SEC-6).",
        ),
        panel(
            "Sealed fields that did not open",
            "reqps",
            (rate("sealed_unreadable_total", by_="reason"), by("reason")),
            help_="SealedUnreadable (SEC-8).",
        ),
        panel(
            "API keys in use that end soon",
            "short",
            ("max(api_keys_expiring)", "keys"),
            help_="ApiKeyExpiring (SEC-1).",
        ),
        panel(
            "Data that goes",
            "s",
            ("max(retention_age_seconds)", "since old data was last deleted"),
            ("max(erasure_oldest_seconds)", "oldest erasure that is not done"),
            help_="RetentionNotRun, ErasureOverdue (SEC-11).",
        ),
        panel(
            "Rows deleted because of their age",
            "short",
            ("sum by (data) (increase(retention_removed_total[$__rate_interval]))", by("data")),
        ),
    ),
    "Service": (
        panel(
            "Processes that answer",
            "short",
            ("sum by (job) (up)", by("job")),
            ("min by (dependency) (dependency_up)", by("dependency")),
        ),
        panel(
            "Requests",
            "reqps",
            (
                rate("http_server_request_duration_seconds_count", by_="http_response_status_code"),
                by("http_response_status_code"),
            ),
        ),
        panel(
            "Errors by route",
            "reqps",
            (rate("http_server_request_duration_seconds_count", by_="http_route", where=_ERRORS), by("http_route")),
        ),
        panel("Database connections in use", "percentunit", ("db_pool_in_use / db_pool_size", by("instance"))),
        panel(
            "Memory and processor",
            "short",
            ("process_resident_memory_bytes / 1e9", f"{by('instance')} GB"),
            ("rate(process_cpu_seconds_total[$__rate_interval])", f"{by('instance')} cores"),
        ),
        panel(
            "Kill switch",
            "short",
            ("max by (usecase) (ai_paused)", f"paused: {by('usecase')}"),
            ("max by (subject) (switch_off) > 0", f"off: {by('subject')}"),
            ("max(flags_age_seconds)", "age of the flags, seconds"),
            ("max(flags_expired)", "flags whose day of review has passed"),
            help_="AiPaused, FlagsStale, FlagExpired (CTL-1).",
        ),
        panel(
            "Age of the directory",
            "s",
            ("max(directory_age_seconds)", "since it was last read"),
            help_="DirectoryStale (SEC-4).",
        ),
    ),
}
