"""Reviews at the terminal: what waits for a person, decide on it, have it for oneself, hand it out, take it back."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape

from app.cli.operating import listing
from app.cli.session import in_place, operator, out
from app.domain.identity import Permission, Principal

if TYPE_CHECKING:
    from app.store.reviews import Narrow

commands = typer.Typer(no_args_is_help=True, help="The queue of reviews: list, show, take, release, assign, reopen.")
Because = Annotated[str, typer.Option("--because", help="why; kept with the review and in the audit")]
Review = Annotated[UUID, typer.Argument(metavar="REVIEW_ID", help="the whole id")]
CUT = {"question": 50, "draft": 60}


def _reviewer() -> Principal:
    return Principal(operator(), permissions=frozenset({Permission.DECIDE_REVIEWS, Permission.ASSIGN_REVIEWS}))


def review(
    review_id: Annotated[UUID | None, typer.Argument(help="which one; left out: list what waits")] = None,
    approve: Annotated[bool | None, typer.Option("--approve/--reject", help="the decision")] = None,
    because: Annotated[str, typer.Option(help="why; kept with the decision")] = "",
    seen: Annotated[str, typer.Option(metavar="DIGEST", help="what you looked at, as `app review ID` says it")] = "",
    text: Annotated[str | None, typer.Option(help="approve this text instead of the draft")] = None,
    note: Annotated[str, typer.Option(help="a word to the person who asked")] = "",
    capture: Annotated[bool, typer.Option("--case", help="make the approved answer a case of the evaluation")] = False,
) -> None:
    """List the drafts that wait for a person, with what tools would do; look at one, or decide on it."""
    if review_id is None:
        _list("open")
        return
    if approve is None:
        _look(review_id)
        return
    edited = {"text": text, "note": note, "capture": capture, "seen": seen}
    decided = in_place(
        lambda service: service.reviews.decide(_reviewer(), review_id, approve=approve, because=because, edited=edited)
    )
    if decided["status"] == "open":
        out.print("put forward: another reviewer approves it", markup=False)
        return
    out.print(f"{decided['status']}: {decided['final'] or decided['draft']}", markup=False)
    if decided["actions"]:
        out.print(_uses(decided["actions"]), markup=False)


def _look(review_id: UUID) -> None:
    found = in_place(lambda service: service.reviews.one(_reviewer(), review_id))
    data = found["data"] if found["final_data"] is None else found["final_data"]
    told = {
        "asked by": found["asker"],
        "question": found["question"],
        "why": found["why"],
        "complaint": found["complaint"],
        "put forward by": found["put_forward_by"],
        "draft": found["draft"] if found["final"] is None else found["final"],
        "data": json.dumps(data, ensure_ascii=False) if data else "",
        "would do": _uses(found["actions"]),
        "you cannot decide": found["hindrance"] if found["status"] == "open" else "",
        "digest": found["digest"],
    }
    for name, value in told.items():
        if value:
            out.print(f"{name}: {value}", markup=False, soft_wrap=True)


@commands.command("list")
def list_(
    status: Annotated[str, typer.Option(help="open, approved or rejected")] = "open",
    kind: Annotated[str, typer.Option(help="only this kind: escalation, advise, action, incident, complaint ...")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="only what nobody decided on in time")] = False,
) -> None:
    """List reviews: what waits, the most urgent first; or what was decided, the newest first."""
    from app.store.reviews import Narrow

    _list(status, Narrow(kind, overdue=overdue))


@commands.command()
def show(review_id: Review) -> None:
    """Show one review with its passages, what checks found, and what was done so far, as JSON."""
    found = in_place(lambda service: service.reviews.one(_reviewer(), review_id))
    out.print(json.dumps(found, indent=2, default=str, ensure_ascii=False), markup=False)


@commands.command()
def take(review_id: Review) -> None:
    """Have a review for yourself for some minutes."""
    found = in_place(lambda service: service.review_desk.take(_reviewer(), review_id))
    out.print(f"yours until {found['taken_until'].astimezone(UTC):%H:%M} UTC", markup=False)


@commands.command()
def release(review_id: Review) -> None:
    """Give back a review that you have taken."""
    in_place(lambda service: service.review_desk.release(_reviewer(), review_id))
    out.print("given back", markup=False)


@commands.command()
def assign(
    review_id: Review,
    because: Because,
    to: Annotated[str | None, typer.Option(help='who is to decide; "" is anybody who reviews')] = None,
    priority: Annotated[int | None, typer.Option(min=1, max=5, help="1 goes first")] = None,
    hours: Annotated[float | None, typer.Option(min=0.1, help="due in so many hours from now")] = None,
) -> None:
    """Say who is to decide on a review, how urgent it is, and until when."""
    changed: dict[str, Any] = {"priority": priority}
    changed["due_at"] = datetime.now(UTC) + timedelta(hours=hours) if hours else None
    if to is not None:
        changed["assigned_to"] = to or None
    found = in_place(lambda service: service.review_desk.assign(_reviewer(), review_id, changed, because=because))
    whose, due = found["assigned_to"] or "anybody", found["due_at"].astimezone(UTC)
    out.print(f"{whose}, priority {found['priority']}, due {due:%Y-%m-%d %H:%M} UTC", markup=False)


@commands.command()
def reopen(review_id: Review, because: Because) -> None:
    """Take a decision back; what a tool has done is not taken back."""
    in_place(lambda service: service.reviews.reopen(_reviewer(), review_id, because=because))
    out.print("it waits for a decision again", markup=False)


def _list(status: str, narrow: "Narrow | None" = None) -> None:
    from app.store.reviews import ANY

    found = in_place(lambda service: service.reviews.waiting(_reviewer(), status=status, narrow=narrow or ANY))
    table = listing("review", "kind", "due", "use case", "asked by", "question", "draft", "would do")
    for row in found:
        due = f"{row['due_at'].astimezone(UTC):%m-%d %H:%M}{' late' if row['overdue'] else ''}"
        shown = (row["question"][: CUT["question"]], row["draft"][: CUT["draft"]], _uses(row["actions"]))
        table.add_row(str(row["id"]), row["kind"], due, row["usecase"], row["asker"], *map(escape, shown))
    out.print(table)


def _uses(actions: list[dict[str, Any]]) -> str:
    return "\n".join(f"{each['tool']}({json.dumps(each['arguments'])}): {each['status']}" for each in actions)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(review)
    app.add_typer(commands, name="reviews")
