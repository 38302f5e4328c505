"""All pages of a list in the console: other tests of the same process have rows in it."""

import re
from collections.abc import Mapping
from html import unescape

import httpx2


async def whole(client: httpx2.AsyncClient, headers: Mapping[str, str], path: str) -> str:
    """Give the text of a list's page and of all that it leads on to."""
    told, base = "", path.partition("?")[0]
    while True:
        answer = await client.get(path, headers=dict(headers))
        assert answer.status_code == 200, answer.text
        told += answer.text
        found = re.search(r'href="([?][^"]*offset=[0-9]+[^"]*)"[^>]*>(?:Next|Older)', answer.text)
        if not found:
            return told
        path = base + unescape(found[1])
