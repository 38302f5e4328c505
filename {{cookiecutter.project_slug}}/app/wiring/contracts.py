"""What a contract must not say: a ladder that cannot be climbed, a route to nowhere, a prompt that is not there."""

from collections.abc import Collection, Iterator
from pathlib import Path

from app.domain.contract import RouteRule
from app.domain.usecase import UseCase
from app.guard.unsafe import pattern_fault
from app.llm import confidence
from app.llm.catalog import LOCAL_RUNGS
from app.llm.prompts import Prompt
from app.llm.routing import VERDICT
from app.llm.rungs import WITHOUT_MODEL
from app.turn import judge, suspicion


def faults(usecase: UseCase, path: Path, rungs: Collection[str]) -> list[str]:
    """List every fault of ladder, routes and prompts with file, key and cure."""
    found = [*_ladder(usecase, rungs), *_prompts(usecase, rungs), *_shadow(usecase, rungs), *_access(usecase)]
    found += [*_injection(usecase, rungs), *_output(usecase), *_candidates(usecase, rungs)]
    found += _reviews(usecase)
    for place, rule in enumerate(usecase.contract.routes, start=1):
        found += [f"routes, number {place}: {fault}" for fault in _route(usecase, rule, rungs)]
    return [f"- {path}: {fault}" for fault in found]


def _access(usecase: UseCase) -> Iterator[str]:
    access, allowed = usecase.contract.access, usecase.contract.input
    values = {f"{name}.{value}" for name in allowed.fields for value in allowed.fields[name]}
    for key in sorted(set(access.fields) - values - set(allowed.fields)):
        yield f"access.fields: {key!r} is no field of input.fields, nor a value of one as `field.value`"
    for group, count in access.max_chars.items():
        if count <= allowed.max_chars:
            yield f"access.max_chars.{group}: {count} is not more than input.max_chars, {allowed.max_chars}; drop it"


def _ladder(usecase: UseCase, rungs: Collection[str]) -> Iterator[str]:
    contract = usecase.contract
    ladder = contract.models.ladder
    for rung in dict.fromkeys(ladder):
        if rung not in rungs:
            yield f"models.ladder: there is no rung {rung!r}; there are: {', '.join(sorted(rungs))}"
        if ladder.count(rung) > 1:
            yield f"models.ladder: {rung!r} stands there twice; once is enough"
    if "rules" in ladder and usecase.rules is None:
        yield "models.ladder: `rules` needs a rules.py with a function `answer(turn)`"
    if "extractive" in ladder and not contract.retrieval.enabled:
        yield "models.ladder: `extractive` needs retrieval.enabled = true"
    if "cached" in ladder and not contract.cache.stale_s:
        yield "models.ladder: `cached` needs cache.stale_s, the seconds for which an old answer may stand in"
    if contract.paused.answer == "no_model" and not set(ladder) & set(WITHOUT_MODEL):
        yield (
            f'paused.answer: "no_model" needs one of {", ".join(WITHOUT_MODEL)} on models.ladder; add one, or write'
            ' "sentence"'
        )
    if "person" in ladder[:-1]:
        yield "models.ladder: `person` must be the last rung: nothing comes after a colleague's queue"


def _prompts(usecase: UseCase, rungs: Collection[str]) -> Iterator[str]:
    chosen = usecase.contract.prompt
    key = f"{chosen.name}.v{chosen.version}"
    if key not in usecase.prompts:
        yield f"prompt: there is no prompts/{key}.md; there are: {', '.join(usecase.prompts) or 'none'}"
    roles = _roles(rungs)
    for prompt in usecase.prompts.values():
        unknown = {role for pins in prompt.pins.values() for role in pins} - set(roles)
        for role in sorted(unknown):
            yield f"prompts/{prompt.key}.md: pins: there is no role {role!r}; there are: {', '.join(roles)}"


def _route(usecase: UseCase, rule: RouteRule, rungs: Collection[str]) -> Iterator[str]:
    roles, fields = _roles(rungs), usecase.contract.input.fields
    if rule.to not in roles:
        yield f"to: there is no role {rule.to!r}; there are: {', '.join(roles)}"
    if rule.to == usecase.contract.models.ladder[0]:
        yield f"to: {rule.to!r} is the ladder's first rung already; name another role, or drop the rule"
    if not (rule.max_chars or rule.words or rule.fields or rule.groups or rule.classifier):
        yield f"it states no condition; state one, or put {rule.to!r} first on models.ladder"
    for name, values in rule.fields.items():
        if strange := set(values) - set(fields.get(name, ())):
            yield f"fields.{name}: {', '.join(sorted(strange))} is no value of input.fields.{name}"
    if rule.classifier and not _gives_verdict(usecase.prompts.get(rule.classifier)):
        yield (
            f"classifier: there is no prompts/{rule.classifier}.md whose output is an object"
            f" with the required property {VERDICT} of type boolean"
        )


def _shadow(usecase: UseCase, rungs: Collection[str]) -> Iterator[str]:
    wanted, roles = usecase.contract.shadow, _roles(rungs)
    for key, role in (("role", wanted.role), ("judge", wanted.judge)):
        if role and role not in roles:
            yield f"shadow.{key}: there is no role {role!r}; there are: {', '.join(roles)}"
    names = [candidate.name for candidate in usecase.contract.candidates]
    if wanted.candidate and wanted.candidate not in names:
        yield f"shadow.candidate: there is no candidate {wanted.candidate!r}; there are: {', '.join(names) or 'none'}"
    if wanted.candidate and wanted.role:
        yield "shadow: it names a role and a candidate; one of both answers unseen, drop the other"
    if wanted.share and not (wanted.role or wanted.candidate):
        yield f"shadow.role: whose answers? name the role that answers a share of {wanted.share:g}, or drop the share"


def _candidates(usecase: UseCase, rungs: Collection[str]) -> Iterator[str]:
    contract, roles = usecase.contract, _roles(rungs)
    names = [candidate.name for candidate in contract.candidates]
    for place, candidate in enumerate(contract.candidates, start=1):
        where = f"candidates, number {place}"
        if names.count(candidate.name) > 1:
            yield f"{where}: name: {candidate.name!r} stands there twice; the ledger tells arms apart by their names"
        if candidate.role and candidate.role not in roles:
            yield f"{where}: role: there is no role {candidate.role!r}; there are: {', '.join(roles)}"
        key = f"{contract.prompt.name}.v{candidate.prompt_version}"
        if candidate.prompt_version is not None and key not in usecase.prompts:
            yield f"{where}: prompt_version: there is no prompts/{key}.md; write it, or drop the candidate"
        is_first = candidate.role in ("", contract.models.ladder[0])
        if is_first and candidate.prompt_version in (None, contract.prompt.version):
            yield f"{where}: it is what answers now; name another prompt_version or role, or drop it"


def _injection(usecase: UseCase, rungs: Collection[str]) -> Iterator[str]:
    rules, roles = usecase.contract.injection, _roles(rungs)
    if not rules.classifier:
        if rules.role:
            yield f"injection.role: what is {rules.role!r} asked? name the prompt as injection.classifier, or drop it"
        return
    if rules.role not in roles:
        yield f"injection.role: there is no role {rules.role!r}; there are: {', '.join(roles)}"
    if not _gives_verdict(usecase.prompts.get(rules.classifier), suspicion.VERDICT):
        yield (
            f"injection.classifier: there is no prompts/{rules.classifier}.md whose output is an object"
            f" with the required property {suspicion.VERDICT} of type boolean"
        )
    if rules.classifier_from >= rules.threshold:
        yield (
            f"injection.classifier_from: {rules.classifier_from:g} is not below injection.threshold,"
            f" {rules.threshold:g}: the classifier would never be asked"
        )


def _output(usecase: UseCase) -> Iterator[str]:
    rules = usecase.contract.output
    for pattern in rules.patterns:
        if fault := pattern_fault(pattern):
            yield f"output.patterns: {fault}"
    if rules.classifier and not _gives_verdict(usecase.prompts.get(rules.classifier), judge.VERDICT):
        yield (
            f"output.classifier: there is no prompts/{rules.classifier}.md whose output is an object"
            f" with the required property {judge.VERDICT} of type boolean"
        )
    if rules.classifier and not any(rung not in LOCAL_RUNGS for rung in usecase.contract.models.ladder):
        yield "output.classifier: models.ladder names no model to ask; name one, or drop the classifier"


def _reviews(usecase: UseCase) -> Iterator[str]:
    contract = usecase.contract
    # A workflow says itself how sure its drafts are; what it leaves unsaid waits for a person.
    if not contract.reviews.confidence_below or usecase.workflow is not None:
        return
    named = (
        *contract.models.ladder,
        *(rule.to for rule in contract.routes),
        *(one.role for one in contract.candidates),
    )
    asked = ", ".join(role for role in dict.fromkeys(named) if role and role not in LOCAL_RUNGS)
    versions = {contract.prompt.version, *(one.prompt_version for one in contract.candidates)} - {None}
    for key in sorted(f"{contract.prompt.name}.v{version}" for version in versions):
        prompt = usecase.prompts.get(key)
        if asked and prompt is not None and not confidence.measures(prompt):
            yield (
                f"reviews.confidence_below: {usecase.name}: the rung {asked} brings no confidence:"
                f" prompts/{key}.md takes no passages to cite, or has an output without the required property"
                f" {confidence.FIELD} of type number, minimum 0, maximum 1; add one of them, or drop confidence_below"
            )


def _gives_verdict(prompt: Prompt | None, name: str = VERDICT) -> bool:
    schema = (prompt.output_schema if prompt else None) or {}
    verdict = schema.get("properties", {}).get(name, {})
    return verdict.get("type") == "boolean" and name in schema.get("required", ())


def _roles(rungs: Collection[str]) -> list[str]:
    return sorted(set(rungs) - set(LOCAL_RUNGS))
