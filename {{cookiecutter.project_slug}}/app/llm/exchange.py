"""One request to a vendor, whole or streamed: what is sent, and how long each part of the answer may take."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from app.llm.catalog import Catalog
from app.llm.chat import Chat, Hearing, Reply, Wanted
from app.llm.errand import Errand
from app.llm.events import Events
from app.llm.faults import ModelAPIError, UnexpectedModelBehavior
from app.llm.line import Pieces
from app.llm.preview import Preview
from app.llm.providers import Providers
from app.llm.resilience import CallLimits, now_s

# A step of an agent's loop, which brings its own way to speak.
Step = Callable[[Errand], Awaitable[Reply]]
_DONE = b"[DONE]"


class Exchange:
    """Speaks with the vendors."""

    def __init__(self, catalog: Catalog, providers: Providers, limits: CallLimits) -> None:
        self._catalog = catalog
        self._providers = providers
        self._limits = limits

    async def ask(
        self, errand: Errand, said: Chat | Step, *, preview: Preview | None, on_first: Callable[[], None]
    ) -> Reply:
        """Give the answer; with a preview it is streamed, and `on_first` is called at its first token.

        Raises TimeoutError when the whole, the first token or the next piece takes too long, else one of faults.py.
        """
        async with asyncio.timeout_at(min(errand.until_s, now_s() + self._limits.model_timeout_s)):
            if not isinstance(said, Chat):
                return await said(errand)
            way = self._providers.way(errand.ref.provider)
            body = orjson.dumps(way.dialect.body(said, self._wanted(errand), stream=preview is not None))
            if preview is None:
                return way.dialect.read(await way.line.whole(way.target, body))
            preview.tear()  # a failed attempt may have left text waiting
            hearing = way.dialect.hear()
            async with (
                asyncio.timeout(self._limits.first_token_s) as silence,
                way.line.pieces(way.target, body) as pieces,
            ):
                await _listen(pieces, hearing, _Ear(preview, on_first, silence, self._limits.idle_s))
            return hearing.reply()

    def _wanted(self, errand: Errand) -> Wanted:
        prompt = errand.prompt
        return Wanted(
            errand.ref,
            errand.max_tokens,
            prompt.name,
            temperature=prompt.settings.temperature,
            thinking=self._catalog.thinking.get(errand.ref.name),
            schema=prompt.output_schema,
            cache_key=prompt.key,
        )


@dataclass(slots=True)
class _Ear:
    """Passes on what was said; while its listener is slow, it is not the vendor that is silent."""

    preview: Preview
    on_first: Callable[[], None]
    silence: asyncio.Timeout
    idle_s: float
    has_heard: bool = False

    async def take(self, text: str) -> None:
        if not self.has_heard:
            self.on_first()
            self.has_heard = True
        self.silence.reschedule(None)
        await self.preview.feed(text)
        self.silence.reschedule(now_s() + self.idle_s)


async def _listen(pieces: Pieces, hearing: Hearing, ear: _Ear) -> None:
    events, is_silent = Events(), True
    while piece := await pieces.next():
        complete = events.feed(piece)
        is_silent = is_silent and not complete
        texts, failure = _heard(complete, hearing)
        if texts:
            await ear.take("".join(texts))
        if failure is not None:
            raise failure
    if is_silent:
        raise UnexpectedModelBehavior("a stream without an event")


def _heard(events: list[bytes], hearing: Hearing) -> tuple[list[str], Exception | None]:
    """Give the texts of some events ("" for other signs of life), and what went wrong after them."""
    texts: list[str] = []
    try:
        for data in events:
            text = None if data == _DONE else hearing.take(orjson.loads(data))
            if text is not None:
                texts.append(text)
    except ModelAPIError as error:
        return texts, error
    except orjson.JSONDecodeError:
        return texts, ModelAPIError("an event is no JSON")
    except (KeyError, TypeError, AttributeError, IndexError):
        return texts, UnexpectedModelBehavior("an event of an unknown form")
    return texts, None
