"""Measure how near two questions must be for the semantic cache to give one's answer to the other."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from app.cli.session import out
from app.domain.turn import Tape
from app.errors import BadInput, CannotStart, ModelFailed
from app.evaluation import paraphrases
from app.evaluation.cases import load as load_cases
from app.evaluation.thresholds import Measured, measure, wordings
from app.llm.embeddings import NoVector
from app.settings import load

if TYPE_CHECKING:
    from app.domain.usecase import UseCase
    from app.llm.embeddings import Embeddings

CALL_S = 60.0
NO_EMBEDDER = (
    "there is no embedding model to measure with. Name one in config/models.toml ([embeddings] model ="
    ' "openai:text-embedding-3-small") and give its vendor\'s key or address. The lexical embedder that finds passages'
    " compares words: it cannot tell a question from its negation, so the cache never uses it."
)


def cache(
    usecase: Annotated[str, typer.Argument(help="the use case whose evaluation cases are compared")],
    json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Measure the threshold of the semantic cache; exits 1 when no threshold, or not the contract's one, is safe."""
    case, embeddings = _built(usecase)
    measured, tape = asyncio.run(_measured(case, embeddings))
    chosen = case.contract.cache.threshold
    if json:
        print(orjson.dumps({**measured.as_json(), "threshold": chosen}, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(measured, chosen)
        cost = tape.usage.cost_usd
        out.print(f"{tape.usage.input_tokens} tokens, {'without a known price' if cost is None else f'${cost:.6f}'}")
    wrong = measured.highest_wrong
    is_unsafe = chosen is not None and wrong is not None and wrong.cosine >= chosen
    raise typer.Exit(1 if measured.recommended is None or is_unsafe else 0)


def _built(name: str) -> "tuple[UseCase, Embeddings]":
    # Not the whole service: it refuses to start without the very number that is measured here.
    from app.llm import catalog
    from app.wiring import usecases
    from app.wiring.embedding import embeddings_of

    settings = load()
    models = catalog.parse(settings.config("models"))
    owners = settings.service.get("owners", {})
    cases = usecases.load(settings.usecases_dir, owners=owners, rungs=models.rungs)
    if name not in cases:
        raise BadInput(f"There is no use case {name!r}; there are: {', '.join(cases)}.")
    embeddings = embeddings_of(models, settings)
    if embeddings is None:
        raise CannotStart(f"- config/models.toml: embeddings.model: {NO_EMBEDDER}")
    return cases[name], embeddings


async def _measured(case: "UseCase", embeddings: "Embeddings") -> tuple[Measured, Tape]:
    cases = load_cases(case.folder)
    other_words = paraphrases.load(case.folder, ids=frozenset(each.id for each in cases))
    # Nobody tunes on a sealed case.
    said, tape = wordings([each for each in cases if not each.sealed], other_words), Tape()
    try:
        questions = [wording.question for wording in said]
        vectors = (await embeddings.embed(questions, tape=tape, query=True, longest_s=CALL_S)).tolist()
    except NoVector as error:
        raise ModelFailed(f"{embeddings.name} gave no vectors: {error}.") from error
    finally:
        await embeddings.aclose()
    return measure(case.name, said, vectors, embeddings=embeddings.name), tape


def _show(measured: Measured, chosen: float | None) -> None:
    wrong, counts = measured.highest_wrong, (measured.count(is_same=False), measured.count(is_same=True))
    table = Table("threshold", "wrong pairs let through", "same meaning found")
    for step in measured.curve:
        let = f"{round(step.wrong * counts[0])} ({step.wrong:.1%})"
        table.add_row(f"{step.threshold:.2f}", let, f"{round(step.same * counts[1])} ({step.same:.1%})")
    out.print(table)
    out.print(f"{measured.embeddings}: {counts[0]} pairs with different answers, {counts[1]} that mean the same")
    if wrong:
        out.print(f"nearest wrong pair, {wrong.cosine:.4f}: {escape(repr(wrong.one))} and {escape(repr(wrong.other))}")
    _advise(measured, chosen)


def _advise(measured: Measured, chosen: float | None) -> None:
    wrong, recommended = measured.highest_wrong, measured.recommended
    if recommended is not None:
        found = measured.step(recommended).same
        out.print(f"[green]cache.threshold = {recommended:.2f}[/] keeps them apart and finds {found:.0%} of the same")
    elif not measured.count(is_same=True):
        out.print("[yellow]nothing to find[/]: write other wordings of some cases into evals/paraphrases.yaml")
    else:
        out.print("[red]no threshold is safe[/]: one that keeps wrong pairs apart finds nothing; use semantic = false")
    if chosen is not None and wrong and wrong.cosine >= chosen:
        out.print(f"[red]the contract's {chosen:.2f} is too low[/]: it gives one of these the other's answer")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(cache)
