"""A use case as its candidate would answer it: with another model, another version of the prompt, or both."""

import re
from dataclasses import replace

from app.domain.contract import Cache, Contract, Injection, Shadow
from app.domain.rollout import Candidate
from app.domain.usecase import UseCase
from app.errors import BadInput, quoted
from app.llm.catalog import LOCAL_RUNGS

_SPOKEN = re.compile(r"^(?:role=(?P<role>[\w.-]+))?,?(?:prompt=(?P<prompt>[1-9]\d*))?$")


def of_role(role: str) -> Candidate:
    """Give the candidate that a role alone makes; it is called like the role."""
    return Candidate.model_construct(name=role, role=role, prompt_version=None)


def shadowed(contract: Contract) -> Candidate | None:
    """Give who answers unseen beside this contract's turns, as far as the contract says so."""
    wanted = contract.shadow
    if wanted.candidate:
        return named(contract, wanted.candidate)
    return of_role(wanted.role) if wanted.role else None


def named(contract: Contract, name: str) -> Candidate | None:
    """Give the contract's candidate of this name; its shadow's role counts as one."""
    for candidate in contract.candidates:
        if candidate.name == name:
            return candidate
    return of_role(name) if name and name == contract.shadow.role else None


def spoken(contract: Contract, text: str) -> Candidate:
    """Read a candidate as an operator writes it: a name, `role=cheap`, `prompt=2`, or `role=cheap,prompt=2`.

    Raises BadInput, which names the candidates that there are.
    """
    if found := named(contract, text):
        return found
    told = _SPOKEN.fullmatch(text)
    if told is None or not text:
        there = ", ".join(candidate.name for candidate in contract.candidates) or "none"
        raise BadInput(
            f"There is no candidate {quoted(text)}; the contract has: {there}. Or write role=..., prompt=..., or both."
        )
    version = int(told["prompt"]) if told["prompt"] else None
    return Candidate.model_construct(name=text, role=told["role"] or "", prompt_version=version)


def alone(usecase: UseCase, candidate: Candidate) -> UseCase:
    """Give the use case with the candidate's model as its whole ladder, and its prompt: no rung stands in for it.

    Raises BadInput where the prompt is not there, or the use case asks no model at all.
    """
    contract, version = usecase.contract, candidate.prompt_version or usecase.contract.prompt.version
    prompt = contract.prompt.model_copy(update={"version": version})
    if f"{prompt.name}.v{prompt.version}" not in usecase.prompts:
        raise BadInput(f"There is no prompts/{prompt.name}.v{prompt.version}.md in {usecase.name!r}.")
    role = candidate.role or next((rung for rung in contract.models.ladder if rung not in LOCAL_RUNGS), "")
    if not role:
        raise BadInput(f"The ladder of {usecase.name!r} names no model: there is nothing for a candidate to replace.")
    # Nobody shadows a shadow; what it may cost stays what it was.
    bounds = Shadow(per_month_usd=contract.shadow_usd)
    only = contract.models.model_copy(update={"ladder": (role,)})
    changed: dict[str, object] = {"models": only, "prompt": prompt, "routes": (), "cache": Cache(), "shadow": bounds}
    # What a shadow is given was screened: the model that screens says nothing of whether the candidate can be reached.
    changed["injection"] = Injection()
    return replace(usecase, contract=contract.model_copy(update=changed))
