"""Rollouts, from the command line: where they stand, and the moves."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.session import in_place, operator, out

if TYPE_CHECKING:
    from app.domain.usecase import UseCase
    from app.wiring.service import Service
    from app.work.rollout_guard import Standing
    from app.work.rollouts import Because, Moved

group = typer.Typer(no_args_is_help=True, help="See where rollouts stand; start, advance, halt, take back and undo.")
Case = Annotated[str, typer.Argument(help="the use case")]
Why = Annotated[str, typer.Option("--because", help="why; kept in the audit")]


@group.command("status")
def status(usecase: Annotated[str, typer.Argument(help="one use case, in full; left out: all")] = "") -> None:
    """Show the stage of each rollout, and what its arms come to; exits 1 when one is halted."""

    owners: dict[str, str] = {}

    async def work(service: "Service") -> "list[Standing]":
        from app.work.rollouts import found

        named = [found(service.usecases, usecase)] if usecase else list(service.usecases.values())
        owners.update({case.name: case.contract.owners.workflow for case in named})
        return [await service.rolling.guard.standing(case) for case in named]

    seen = in_place(work)
    shown = Table(Column("use case", no_wrap=True), "candidate", "stage", "goes back to", "turns", "since", "by", "why")
    for one in seen:
        since = one.since.isoformat(timespec="minutes") if one.since else "the contract"
        shown.add_row(
            *(one.usecase, one.plan.candidate or "(itself)", one.plan.step, one.plan.good, str(one.turns)),
            *(since, one.by, escape(one.plan.halted or one.reason)),
        )
    out.print(shown)
    for one in seen:
        if one.plan.halted:
            out.print(
                f"{one.usecase} is halted; whether it is started again is for its owner to say: {owners[one.usecase]}"
            )
    if usecase:
        _compared(seen[0])
    raise typer.Exit(1 if any(one.plan.halted for one in seen) else 0)


def _compared(standing: "Standing") -> None:
    shown = Table("metric", "current", "candidate", "bounds", "limit", "values", "verdict")
    for one in standing.judged:
        unit = "${:.5f}" if one.metric == "cost" else "{:.1%}"
        current, mean, low, high, limit = (
            unit.format(value * one.scale)
            for value in (one.current.mean, one.candidate.mean, one.candidate.low, one.candidate.high, one.limit)
        )
        verdict = "[red]too high[/]" if one.is_breach else "holds"
        shown.add_row(one.metric, current, mean, f"{low} to {high}", limit, str(one.turns), verdict)
    out.print(shown)


@group.command("start")
def start(
    usecase: Case,
    because: Why,
    candidate: Annotated[str, typer.Option(help="from the contract; left out: the use case itself opens")] = "",
    at: Annotated[str, typer.Option(help="off, shadow, beta, percent:10, general; left out: the first")] = "",
) -> None:
    """Let a candidate answer some people, or open the use case itself to some."""
    _move(usecase, because, lambda service, case, why: service.rolling.desk.start(case, candidate, at, why))


@group.command("advance")
def advance(
    usecase: Case,
    because: Why,
    anyway: Annotated[bool, typer.Option("--anyway", help="although the guard has seen too few turns")] = False,
) -> None:
    """Go one stage on: beta, 1, 10, 25, 50, 100 per cent, everybody."""
    _move(usecase, because, lambda service, case, why: service.rolling.guard.advance(case, why, anyway=anyway))


@group.command("halt")
def halt(usecase: Case, because: Why) -> None:
    """Go back to the last good stage, and stay there until it is started again."""
    _move(usecase, because, lambda service, case, why: service.rolling.desk.halt(case, why))


@group.command("back")
def back(usecase: Case, because: Why) -> None:
    """Go back to the last good stage."""
    _move(usecase, because, lambda service, case, why: service.rolling.desk.back(case, why))


@group.command("undo")
def undo(usecase: Case, because: Why) -> None:
    """Put the rollout back as it was before its latest move."""

    async def undone(service: "Service", case: "UseCase", why: "Because") -> "Moved":
        seen = await service.rolling.guard.standing(case)
        return await service.rolling.desk.undo(case, seen.version, why)

    _move(usecase, because, undone)


def _move(usecase: str, because: str, move: "Callable[[Service, UseCase, Because], Awaitable[Moved]]") -> None:
    async def work(service: "Service") -> "Moved":
        from app.work.rollouts import Because, found

        case = found(service.usecases, usecase)
        await service.flags.refresh()
        return await move(service, case, Because(operator(), because))

    moved = in_place(work)
    who = moved.after.candidate or "the use case itself"
    out.print(f"{usecase}, {who}: from {moved.before.step} to {moved.after.step}; the reason stands in the audit")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(group, name="rollout")
