"""Ask a question, or talk, through the HTTP door."""

import asyncio
from typing import Annotated, Any

import httpx2
import orjson
import typer
from rich.markup import escape

from app.cli.session import checked, door, err, out
from app.errors import BadInput
from app.settings import load

As = Annotated[str, typer.Option("--as", help="who asks: a person of config/people.toml")]
Case = Annotated[str, typer.Option(help="which use case answers; left out: the first that is open to you")]
DEFAULT_PERSON = "sam.reyes"


def ask(
    question: str,
    person: As = DEFAULT_PERSON,
    usecase: Case = "",
    json: Annotated[bool, typer.Option("--json", help="print the whole answer as JSON")] = False,
) -> None:
    """Ask one question and print the answer with its citations; exits 1 when there is no answer."""
    body = asyncio.run(_ask(question, person, usecase))
    if json:
        print(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
    else:
        show(body)
    raise typer.Exit(0 if body["outcome"].startswith(("answered", "escalated")) else 1)


async def _ask(question: str, person: str, usecase: str) -> Any:
    async with door(load(), person) as client:
        name = usecase or await _first(client)
        response = await client.post(f"/v1/usecases/{name}/turns", json={"question": question})
    return checked(response, response.json())


async def _first(client: httpx2.AsyncClient) -> str:
    response = await client.get("/v1/usecases")
    found = checked(response, response.json())
    if not found:
        raise BadInput("There is no use case that you may use; `app new usecase NAME` makes one.")
    return str(found[0]["name"])


def show(body: dict[str, Any]) -> None:
    """Print an answer, its citations, and which rung gave it."""
    out.print(escape(body["answer"]))
    explain(body)


def explain(body: dict[str, Any]) -> None:
    """Print what stands behind an answer: citations, rung, age, time and price."""
    for citation in body["citations"]:
        where = ", ".join(filter(None, [citation["heading"], f"page {citation['page']}" if citation["page"] else ""]))
        out.print(f"  [cyan]\\[{citation['marker']}][/] {escape(citation['title'])}"
                  f"{escape(f' ({where})') if where else ''} [dim]{escape(citation['uri'])}[/]")  # fmt: skip
    rung = (body["rung"] or "no rung") + (f" ({body['age_s']:.0f} s old)" if body["age_s"] is not None else "")
    said = [f"{body['outcome']} by {rung}", f"{body['latency_ms']:.0f} ms", *_price(body["usage"])]
    out.print(f"[dim]{', '.join(said)}, turn {body['turn_id']}[/]")


def _price(usage: dict[str, Any] | None) -> list[str]:
    if usage is None:
        return []
    return ["no known price" if usage["cost_usd"] is None else f"${usage['cost_usd']}"]


def chat(person: As = DEFAULT_PERSON, usecase: Case = "") -> None:
    """Talk with a use case; an empty line or Ctrl-D ends."""
    asyncio.run(_chat(person, usecase))


async def _chat(person: str, usecase: str) -> None:
    session_id = None
    async with door(load(), person) as client:
        usecase = usecase or await _first(client)
        while question := await asyncio.to_thread(_prompted):
            body = await _streamed(client, usecase, {"question": question, "session_id": session_id})
            if body:
                session_id = body["session_id"]


def _prompted() -> str:
    try:
        return out.input("[bold]you>[/] ").strip()
    except EOFError:
        return ""


async def _streamed(client: httpx2.AsyncClient, usecase: str, body: dict[str, Any]) -> dict[str, Any] | None:
    url, event, final, shown = f"/v1/usecases/{usecase}/turns", "", None, ""
    async with client.stream("POST", url, json=body, headers={"Accept": "text/event-stream"}) as response:
        if response.status_code >= 400:
            err.print(escape(orjson.loads(await response.aread())["detail"]))
            return None
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = orjson.loads(line.removeprefix("data: "))
                if event == "delta":
                    shown += data["text"]
                    out.print(escape(data["text"]), end="")
                elif event == "partial":
                    err.print(f"[dim]{escape(', '.join(data['data']))}…[/]")
                elif event == "error":
                    err.print(escape(data["detail"]))
                else:
                    final = data
    out.print()
    if final:
        # What was shown may have been stopped, or be of a rung that broke off: the end counts.
        (explain if shown.strip() == final["answer"].strip() else show)(final)
    return final


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (ask, chat):
        app.command()(command)
