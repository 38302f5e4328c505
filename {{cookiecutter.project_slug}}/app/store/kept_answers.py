"""All answers that Redis keeps, looked through one page at a time: for those that have to go before their time."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from app.domain.turn import Remembered
from app.store.cache import parsed
from app.store.shared import Shared

_SCAN = "return redis.call('SCAN', ARGV[1], 'MATCH', 'answer:{*}', 'COUNT', 500)"
_READ = (
    "local found = {} for n, key in ipairs(KEYS) do found[n] = redis.call('HGET', key, 'body') or '' end return found"
)
_DROP = "return redis.call('DEL', unpack(KEYS))"
_PREFIX, _END = "answer:{", "}"


async def pages(shared: Shared) -> AsyncIterator[dict[str, Remembered | None]]:
    """Yield the answers by their keys; None is one that this release cannot read. Raises SharedAway."""
    cursor: str = "0"
    while True:
        next_, found = await shared.run(_SCAN, [], [cursor])
        keys = [key.decode() for key in found if key.endswith(_END.encode())]
        if keys:
            bodies = await shared.run(_READ, keys)
            yield {_bare(key): parsed(body) for key, body in zip(keys, bodies, strict=True)}
        cursor = next_.decode() if isinstance(next_, bytes) else str(next_)
        if cursor == "0":
            return


async def drop(shared: Shared, keys: Sequence[str]) -> int:
    """Delete answers by their keys; gives how many there were. Raises SharedAway."""
    if not keys:
        return 0
    return int(await shared.run(_DROP, [f"{_PREFIX}{key}{_END}" for key in keys]))


async def drop_told(shared: Shared, turn_id: UUID, text: str) -> int:
    """Delete what a turn has answered, whoever else was told the same words; gives how many. Raises SharedAway."""
    gone = 0
    async for page in pages(shared):
        same = [key for key, kept in page.items() if kept and (kept.turn_id == turn_id or kept.draft.text == text)]
        gone += await drop(shared, same)
    return gone


def _bare(key: str) -> str:
    return key.removeprefix(_PREFIX).removesuffix(_END)
