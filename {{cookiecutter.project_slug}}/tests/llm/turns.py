"""Turns, prompts and passages to test with."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from app.domain.contract import Contract
from app.domain.identity import Principal
from app.domain.turn import Passage, Turn
from app.domain.usecase import UseCase
from app.llm.prompts import Prompt, parse

NAMES = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
NO_EVIDENCE = "Nothing was found."
WAITING = "A colleague looks at it."

ANSWER = """---
name: answer
version: 1
owner: Ada
inputs: {question: text, passages: passages, history: history}
output: null
settings: {temperature: 0, max_tokens: 200}
---
Answer from the passages.
---user---
{{ history }}
{{ passages }}
{{ question }}
"""

TRIAGE = """---
name: triage
version: 1
owner: Ada
inputs: {question: text, channel: field}
output:
  type: object
  additionalProperties: false
  required: [colour, size]
  properties: {colour: {type: string, enum: [red, blue]}, size: {type: integer}}
---
Sort it.
---user---
{{ channel }}
{{ question }}
"""


SIMPLE = """---
name: simple
version: 1
owner: Ada
inputs: {question: text}
output: {type: object, required: [simple], properties: {simple: {type: boolean}}, additionalProperties: false}
settings: {max_tokens: 20}
---
Say whether it is simple.
---user---
{{ question }}
"""


def answer_prompt() -> Prompt:
    return parse("answer.v1.md", ANSWER)


def triage_prompt() -> Prompt:
    return parse("triage.v1.md", TRIAGE)


def simple_prompt() -> Prompt:
    return parse("simple.v1.md", SIMPLE)


def contract(*ladder: str, timeout_s: float = 10, max_input_tokens: int = 6000, **changes: Any) -> Contract:
    owner = "ada@example.org"
    owners = dict.fromkeys(("workflow", "prompt", "cost", "on_call", "escalation"), owner)
    return Contract.model_validate(
        {
            "title": "Test",
            "workflow": "Tests",
            "owners": owners,
            "risk": {"mode": "auto", "classification": "internal"},
            "access": {"groups": ["everyone"]},
            "latency": {"p95_ms": 1000, "timeout_s": timeout_s},
            "traffic": {"expected_per_day": 1, "peak_per_minute": 1},
            "models": {"ladder": ladder, "max_input_tokens": max_input_tokens},
            "cost": {"per_turn_usd": changes.pop("per_turn_usd", "1"), "per_user_day_usd": "1", "per_month_usd": "1"},
            "prompt": {"name": "answer", "version": 1},
            "quality": {"pass_rate": 0.9},
            "sentences": {"no_evidence": NO_EVIDENCE, "paused": "Paused.", "unsafe": "No.", "waiting": WAITING},
            **changes,
        }
    )


def usecase(*ladder: str, rules: Any = None, **changes: Any) -> UseCase:
    prompts = {prompt.key: prompt for prompt in (answer_prompt(), triage_prompt(), simple_prompt())}
    return UseCase(name="test", folder=Path(), contract=contract(*ladder, **changes), rules=rules, prompts=prompts)


def passage(text: str, **changes: Any) -> Passage:
    uri = changes.pop("uri", "leave.md")
    known: dict[str, Any] = {"chunk_id": 1, "document_id": uuid5(NAMES, uri), "title": "Annual leave", "score": 1.0}
    return Passage(**{**known, "uri": uri, "text": text, **changes})


LEAVE = passage("You get 25 days of annual leave. Ask your manager.", heading="How much", effective_on=date(2026, 1, 1))


def turn(*ladder: str, question: str = "How many days of annual leave do I get?", **changes: Any) -> Turn:
    """Build a screened turn; `seconds` from now until its deadline, on the loop's clock."""
    seconds = changes.pop("seconds", 10.0)
    case = changes.pop("usecase", None) or usecase(*ladder)
    known: dict[str, Any] = {
        "usecase": case,
        "principal": Principal("ada"),
        "question": question,
        "screened": question,
        "passages": (LEAVE,),
        "deadline_s": asyncio.get_running_loop().time() + seconds,
    }
    return Turn(**{**known, **changes})
