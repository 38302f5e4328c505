"""The keys of sealed fields: what stands, a new data key, and a change of the key-encryption key."""

import asyncio
import secrets
from base64 import b64encode
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from app.cli.session import in_place, operator, out
from app.errors import BadInput
from app.settings import DATA_KEY_BYTES
from app.store import audit, data_keys
from app.work.sealing import Sealing, Standing

if TYPE_CHECKING:
    from app.wiring.service import Service

LOOK_S = 1.0
Because = Annotated[str, typer.Option(help="why; it is kept in the audit")]
seal = typer.Typer(no_args_is_help=True, help="The keys of sealed fields: status, rotate, rewrap, new-key.")


@seal.command()
def status() -> None:
    """Say which data keys there are and how far the rows are sealed under the newest; 1 while rows are left."""
    standing = in_place(lambda service: Sealing(service.database).standing())
    _show(standing)
    raise typer.Exit(0 if standing.is_over else 1)


@seal.command()
def rotate(
    because: Because = "",
    wait: Annotated[bool, typer.Option("--wait", help="stay until every row is sealed anew")] = False,
) -> None:
    """Make a new data key; rows are sealed anew in the background, and then the old key is retired."""
    _given(because)
    made = in_place(lambda service: _rotate(service, because, wait=wait))
    done = "every row is sealed with it" if wait else "`app seal status` says how far the rows are"
    out.print(f"data key {made}: used in {data_keys.USABLE_AFTER_S:.0f} s, when every process knows it; {done}")


@seal.command()
def rewrap(because: Because = "") -> None:
    """Wrap the data keys under the first key of APP_DATA_KEYS; then the others can be left out of it."""
    _given(because)
    out.print(f"data keys wrapped anew: {in_place(lambda service: _rewrap(service, because))}")


@seal.command("new-key")
def new_key() -> None:
    """Print a fresh key for APP_DATA_KEYS; nothing else is done with it."""
    print(b64encode(secrets.token_bytes(DATA_KEY_BYTES)).decode())


async def _rotate(service: "Service", because: str, *, wait: bool) -> int:
    async with service.database.work() as work:
        made = await data_keys.add(work)
        await audit.note(work, actor=operator(), action="seal.rotated", subject="data_keys", reason=because,
                         after={"data_key": made})  # fmt: skip
    sealing = Sealing(service.database)
    while wait and not (await sealing.standing()).is_over:
        await sealing.keep(for_s=LOOK_S)
        await asyncio.sleep(LOOK_S)
    return made


async def _rewrap(service: "Service", because: str) -> int:
    async with service.database.work() as work:
        changed = await data_keys.rewrap(work)
        by = work.seals.wrapping.first if work.seals.wrapping else ""
        await audit.note(work, actor=operator(), action="seal.rewrapped", subject="data_keys", reason=because,
                         after={"data_keys": changed, "wrapped_by": by})  # fmt: skip
    return changed


def _given(because: str) -> None:
    if not because.strip():
        raise BadInput('Say why, with --because "...": it is kept in the audit.')


def _show(standing: Standing) -> None:
    keys = Table("data key", "wrapped by", "made", "seals from")
    for key in standing.keys:
        keys.add_row(str(key.id), key.wrapped_by, f"{key.made_at:%Y-%m-%d %H:%M}", f"{key.usable_from:%Y-%m-%d %H:%M}")
    out.print(keys)
    fields = Table("field", "rows sealed anew", "do not open", "state")
    for one in standing.fields:
        fields.add_row(one.field, str(one.rows), str(one.unreadable), "done" if one.is_over else "under way")
    out.print(fields)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(seal, name="seal")
