"""The tables that statements are built from; migrations/platform makes them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

metadata = MetaData()


def _uuid(name: str, *, key: bool = False) -> Column[object]:
    return Column(name, UUID(as_uuid=True), primary_key=key)


def _time(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True))


sessions = Table(
    "sessions",
    metadata,
    _uuid("id", key=True),
    Column("usecase", Text),
    Column("user_id", Text),
    Column("title", Text),
    _time("created_at"),
    _time("updated_at"),
    _uuid("busy_turn"),
    _time("busy_until"),
    Column("masks", Text),
)

messages = Table(
    "messages",
    metadata,
    _uuid("session_id", key=True),
    Column("ordinal", Integer, primary_key=True),
    _uuid("turn_id"),
    Column("role", Text),
    Column("text", Text),
    Column("citations", JSONB(none_as_null=True)),
    _time("created_at"),
    Column("documents", ARRAY(UUID(as_uuid=True))),
    Column("forgotten", Boolean),
)

# Append-only and partitioned by month: the application's role may insert and read, nothing else.
turns = Table(
    "turns",
    metadata,
    _uuid("id", key=True),
    Column("started_at", DateTime(timezone=True), primary_key=True),
    Column("usecase", Text),
    Column("channel", Text),
    Column("user_id", Text),
    Column("unit", Text),
    _uuid("session_id"),
    _uuid("job_id"),
    Column("outcome", Text),
    Column("reason", Text),
    Column("question", Text),
    Column("answer", Text),
    Column("data", JSONB(none_as_null=True)),
    Column("rung", Text),
    Column("model", Text),
    Column("revision", Text),
    Column("confidence", Double),
    Column("latency_ms", Double),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("cost_usd", Numeric(14, 8)),
    Column("steps", JSONB(none_as_null=True)),
    Column("passages", JSONB(none_as_null=True)),
    Column("retrieval", JSONB(none_as_null=True)),
    Column("citations", JSONB(none_as_null=True)),
    Column("skipped", JSONB(none_as_null=True)),
    Column("tools", JSONB(none_as_null=True)),
    Column("route", JSONB(none_as_null=True)),
    Column("saved_usd", Numeric(14, 8)),
    Column("age_s", Double),
    _uuid("shadow_of"),
    Column("findings", JSONB(none_as_null=True)),
    Column("error", Text),
    Column("trace_id", Text),
    Column("key_id", Text),
    Column("arm", Text),
)

calls = Table(
    "calls",
    metadata,
    _uuid("id", key=True),
    Column("started_at", DateTime(timezone=True), primary_key=True),
    _uuid("turn_id"),
    Column("usecase", Text),
    Column("user_id", Text),
    Column("unit", Text),
    Column("rung", Text),
    Column("provider", Text),
    Column("model", Text),
    Column("revision", Text),
    Column("attempt", Integer),
    Column("latency_ms", Double),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("cost_usd", Numeric(14, 8)),
    Column("error", Text),
    Column("purpose", Text),
    Column("price", Text),
    Column("cached_tokens", Integer),
    Column("wait_ms", Double),
    Column("first_token_ms", Double),
    Column("ordinal", Integer),
    _uuid("job_id"),
)

feedback = Table(
    "feedback",
    metadata,
    _uuid("turn_id", key=True),
    Column("user_id", Text, primary_key=True),
    Column("thumbs", Text),
    Column("correction", Text),
    _time("created_at"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text),
    _uuid("subject_id"),
    Column("response", JSONB(none_as_null=True)),
    _time("created_at"),
    _time("expires_at"),
)

jobs = Table(
    "jobs",
    metadata,
    _uuid("id", key=True),
    Column("kind", Text),
    Column("usecase", Text),
    Column("user_id", Text),
    Column("groups", ARRAY(Text)),
    Column("input", JSONB(none_as_null=True)),
    Column("status", Text),
    Column("total", Integer),
    Column("done", Integer),
    Column("error", Text),
    Column("result", JSONB(none_as_null=True)),
    Column("attempts", Integer),
    _uuid("lease"),
    _time("lease_until"),
    _time("created_at"),
    _time("started_at"),
    _time("finished_at"),
)

job_items = Table(
    "job_items",
    metadata,
    _uuid("job_id", key=True),
    Column("ordinal", Integer, primary_key=True),
    _uuid("turn_id"),
    Column("outcome", Text),
    Column("answer", Text),
    Column("data", JSONB(none_as_null=True)),
    _time("finished_at"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("id", BigInteger, primary_key=True),
    _uuid("job_id"),
    Column("event", Text),
    Column("data", JSONB(none_as_null=True)),
    _time("created_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("topic", Text),
    Column("payload", JSONB(none_as_null=True)),
    _time("created_at"),
    _time("sent_at"),
)

uploads = Table(
    "uploads",
    metadata,
    _uuid("id", key=True),
    Column("user_id", Text),
    Column("filename", Text),
    Column("media_type", Text),
    Column("content", LargeBinary),
    _time("created_at"),
)

flags = Table(
    "flags",
    metadata,
    Column("key", Text, primary_key=True),
    Column("definition", JSONB(none_as_null=True)),
    Column("owner", Text),
    Column("expires_on", Date),
    Column("version", Integer),
    Column("changed_by", Text),
    Column("reason", Text),
    _time("changed_at"),
    Column("kind", Text),
    _time("until"),
    Column("back", JSONB(none_as_null=True)),
)

# Append-only.
flag_history = Table(
    "flag_history",
    metadata,
    Column("key", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    _time("at"),
    Column("actor", Text),
    Column("reason", Text),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
    _time("until"),
    _time("before_until"),
    Column("before_back", JSONB(none_as_null=True)),
    Column("before_expires_on", Date),
)

# Append-only.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True),
    _time("at"),
    Column("actor", Text),
    Column("action", Text),
    Column("subject", Text),
    Column("reason", Text),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
)

reviews = Table(
    "reviews",
    metadata,
    _uuid("id", key=True),
    _uuid("turn_id"),
    Column("usecase", Text),
    Column("asker", Text),
    Column("masks", Text),
    Column("question", Text),
    Column("draft", Text),
    Column("data", JSONB(none_as_null=True)),
    Column("why", Text),
    Column("status", Text),
    Column("decided_by", Text),
    Column("reason", Text),
    Column("final", Text),
    Column("final_data", JSONB(none_as_null=True)),
    _time("created_at"),
    _time("decided_at"),
    Column("asker_groups", ARRAY(Text)),
    Column("asker_unit", Text),
    _uuid("job_id"),
    Column("kind", Text),
    Column("priority", Integer),
    Column("hours", Double),
    _time("due_at"),
    _time("overdue_at"),
    Column("assigned_to", Text),
    Column("taken_by", Text),
    _time("taken_until"),
    Column("authors", ARRAY(Text)),
    Column("put_forward_by", Text),
    Column("complaint", Text),
    Column("note", Text),
)

review_actions = Table(
    "review_actions",
    metadata,
    _uuid("review_id", key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("tool", Text),
    Column("proposed", JSONB(none_as_null=True)),
    Column("arguments", JSONB(none_as_null=True)),
    Column("status", Text),
    Column("result", Text),
    Column("error", Text),
    _time("started_at"),
    _time("finished_at"),
    Column("approved", Text),
)

evaluations = Table(
    "evaluations",
    metadata,
    _uuid("id", key=True),
    Column("usecase", Text),
    Column("revision", Text),
    Column("commit", Text),
    Column("passed", Integer),
    Column("total", Integer),
    Column("pass_rate", Double),
    Column("low", Double),
    Column("high", Double),
    Column("threshold", Double),
    Column("good", Boolean),
    Column("report", JSONB(none_as_null=True)),
    _time("at"),
)

captured_cases = Table(
    "captured_cases",
    metadata,
    _uuid("id", key=True),
    _uuid("turn_id"),
    Column("usecase", Text),
    Column("kind", Text),
    Column("asker", Text),
    Column("proposed_by", Text),
    Column("question", Text),
    Column("expected", Text),
    Column("expected_data", JSONB(none_as_null=True)),
    Column("remark", Text),
    Column("is_masked", Boolean),
    Column("status", Text),
    _time("created_at"),
    Column("decided_by", Text),
    _time("decided_at"),
    Column("reason", Text),
    _time("written_at"),
    Column("edited_by", Text),
)

shadow_waiting = Table(
    "shadow_waiting",
    metadata,
    _uuid("turn_id", key=True),
    Column("usecase", Text),
    Column("candidate", Text),
    Column("user_id", Text),
    Column("groups", ARRAY(Text)),
    Column("unit", Text),
    Column("input", Text),
    _time("at"),
)

webhooks = Table(
    "webhooks",
    metadata,
    _uuid("id", key=True),
    Column("name", Text),
    Column("url", Text),
    Column("kinds", ARRAY(Text)),
    Column("usecases", ARRAY(Text)),
    Column("words", Boolean),
    Column("secret", Text),
    Column("former_secret", Text),
    _time("former_until"),
    Column("enabled", Boolean),
    Column("created_by", Text),
    _time("created_at"),
)
