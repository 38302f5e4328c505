"""Tasks in the background, ended for certain."""

import asyncio
from typing import Any

from app.errors import AppError

AGAIN_S = 0.5


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks until they have ended.

    Once is not enough: a library in the middle of a statement or a reconnect may swallow the request, and a loop would
    then go on for ever, and whoever waits for it too. What a task raised on its way out is nobody's news any more.
    """
    going = {task for task in tasks if not task.done()}
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


def fault(error: Exception) -> str:
    """Say in one line what went wrong, and what was behind it: a loop logs that, and goes on."""
    said = error.detail if isinstance(error, AppError) else f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"{said} ({type(error.__cause__).__name__})" if error.__cause__ else said
