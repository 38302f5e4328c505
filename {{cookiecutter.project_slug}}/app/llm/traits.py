"""What models can do, by the beginnings of their names: how they think, and what they refuse to be told.

From the vendors' pages. pydantic-ai keeps the same knowledge, and tests/llm/test_dialects.py compares what is sent:
when it is raised and that test is red, a vendor has changed something, and this page has to follow.
"""

from functools import lru_cache

from app.llm.catalog import Thinking

Efforts = tuple[str, ...]
_O_SERIES: Efforts = ("low", "medium", "high")
_ANY: Efforts = ()
# OpenAI's models that always think, with the efforts they take, the least first (none: they take no effort for "off").
# The first beginning that fits counts, here and below.
_ALWAYS: tuple[tuple[str, Efforts], ...] = (
    ("gpt-6-astra", ("low", "medium", "high")),
    ("gpt-6.1-sol", ("low", "medium", "high")),
    ("gpt-5.5-pro", ("medium", "high")),
    ("gpt-5.4-pro", ("medium", "high")),
    ("gpt-5.3-chat", ("medium",)),
    ("gpt-5.2-pro", ("medium", "high")),
    ("gpt-5.2-chat", ("medium",)),
    ("gpt-5.1-codex", _ANY),
    ("gpt-5.1-chat", ("medium",)),
    ("gpt-5-pro", ("high",)),
    ("gpt-5-codex", _ANY),
    ("o1", _O_SERIES),
    ("o3", _O_SERIES),
    ("o4", _O_SERIES),
)
# Those that can be told not to think.
_MAY = ("gpt-6-sol", "gpt-6-luna", "gpt-5.6", "gpt-5.5", "gpt-5.4", "gpt-5.3", "gpt-5.2", "gpt-5.1")
# Of these, those that do not think unless they are told to.
_UNLESS_TOLD = ("gpt-5.4", "gpt-5.3", "gpt-5.2", "gpt-5.1")
_NEVER = ("gpt-5-chat",)
_GPT_5: tuple[str, Efforts] = ("gpt-5", ("minimal", "low", "medium", "high"))
# Those whose cache is told where the stable part ends.
_BREAKPOINTS = ("gpt-5.6", "gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-6.1-sol")
_ORDER = ("none", "minimal", "low", "medium", "high")

_CLAUDE_5 = ("claude-fable-5", "claude-mythos-5", "claude-opus-5", "claude-sonnet-5", "claude-haiku-5-5")
_CLAUDE_4_LATE = ("claude-opus-4-7", "claude-opus-4-8")
_CLAUDE_4_6 = ("claude-opus-4-6", "claude-sonnet-4-6")
_NO_TEMPERATURE = (*_CLAUDE_5, *_CLAUDE_4_LATE)
_ADAPTIVE = (*_CLAUDE_5, *_CLAUDE_4_LATE, *_CLAUDE_4_6, "claude-mythos-preview")
_EFFORT = (*_CLAUDE_5, *_CLAUDE_4_LATE, *_CLAUDE_4_6, "claude-opus-4-5")
_THINKS_UNASKED = (*_CLAUDE_5, "claude-mythos-preview")
_THINKS_ALWAYS = ("claude-fable-5", "claude-mythos-5", "claude-mythos-preview", "claude-opus-5-5")
_BETWEEN_TOOLS = "claude-sonnet-5-5"
_SCHEMAS = (
    *_NO_TEMPERATURE, *_CLAUDE_4_6, "claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-1", "claude-opus-4-5",
)  # fmt: skip
# Tokens of thought, for models that are given a number instead of a word.
_BUDGETS = {"low": 2048, "medium": 10_000, "high": 16_384}


def openai_effort(name: str, thinking: Thinking | None) -> str | None:
    """Give the `reasoning_effort` of a model of OpenAI: the nearest one that it takes, None for none."""
    always = _always(name)
    if thinking is None or (always is None and not _may(name)):
        return None
    if always is None:
        return "none" if thinking == "off" else thinking
    if thinking == "off" or not always:
        return next(iter(always), None if thinking == "off" else thinking)
    enough = [effort for effort in always if _ORDER.index(effort) >= _ORDER.index(thinking)]
    return enough[0] if enough else always[-1]


def openai_takes_temperature(name: str, thinking: Thinking | None) -> bool:
    """Say whether a model of OpenAI takes a temperature: not while it thinks."""
    if not _may(name):
        return _always(name) is None
    return thinking == "off" or (thinking is None and name.startswith(_UNLESS_TOLD))


def openai_marks_cache(name: str) -> bool:
    """Say whether the end of the stable part is marked for OpenAI's cache."""
    return name.startswith(_BREAKPOINTS)


def anthropic_thinking(name: str, thinking: Thinking | None) -> tuple[dict[str, object] | None, str | None]:
    """Give `thinking` and `effort` for a model of Anthropic; None for what is not sent."""
    effort = thinking if name.startswith(_EFFORT) else None
    if thinking is None:
        return None, None
    if thinking == "off":
        return _unthinking(name)
    if name.startswith(_ADAPTIVE):
        return {"type": "adaptive"}, effort
    return {"type": "enabled", "budget_tokens": _BUDGETS[thinking]}, effort


def anthropic_takes_temperature(name: str) -> bool:
    """Say whether a model of Anthropic takes a temperature."""
    return not name.startswith(_NO_TEMPERATURE)


def anthropic_takes_schema(name: str) -> bool:
    """Say whether a model of Anthropic can be held to a JSON Schema."""
    return name.startswith(_SCHEMAS)


def _unthinking(name: str) -> tuple[dict[str, object] | None, str | None]:
    if name.startswith(_THINKS_ALWAYS):
        # As little as it can.
        return ({"type": "adaptive"}, "low") if name.startswith(_EFFORT) else (None, None)
    if name.startswith(_BETWEEN_TOOLS):
        return {"type": "between_tools"}, None
    return ({"type": "disabled"} if name.startswith(_THINKS_UNASKED) else None), None


@lru_cache(maxsize=1000)
def _always(name: str) -> Efforts | None:
    for beginning, efforts in _ALWAYS:
        if name.startswith(beginning):
            return efforts
    return _GPT_5[1] if name.startswith(_GPT_5[0]) and not name.startswith((*_MAY, *_NEVER)) else None


@lru_cache(maxsize=1000)
def _may(name: str) -> bool:
    return name.startswith(_MAY) and _always(name) is None
