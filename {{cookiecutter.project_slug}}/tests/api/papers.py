"""Documents of a test's own, sent and changed through the HTTP door."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2

from app.wiring.service import Service

Headers = dict[str, str]


@dataclass(frozen=True)
class Papers:
    """Sends documents into the handbook as one person, and does the jobs at once."""

    service: Service
    client: httpx2.AsyncClient
    owner: Headers

    async def send(self, title: str, text: str, readers: Sequence[str]) -> str:
        """Send a text; gives the document's id."""
        file = {"file": (f"{title.lower().replace(' ', '-')}.md", text.encode(), "text/markdown")}
        data = {"usecase": "handbook", "title": title, "readers": list(readers)}
        answer = await self.client.post("/v1/documents", data=data, files=file, headers=self.owner)
        result = await self._done(answer)
        return str(result["document_id"])

    async def give_to(self, document: str, readers: Sequence[str]) -> UUID:
        """Change the readers; gives the job that did."""
        body = {"readers": list(readers)}
        answer = await self.client.put(f"/v1/documents/{document}/access", json=body, headers=self.owner)
        await self._done(answer)
        return UUID(answer.json()["job_id"])

    async def delete(self, document: str) -> None:
        """Delete a document."""
        answer = await self.client.delete(f"/v1/documents/{document}", headers=self.owner)
        if answer.status_code == 202:
            await self._done(answer)

    async def _done(self, answer: httpx2.Response) -> dict[str, Any]:
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["job_id"]
        await self.service.jobs.run(UUID(job_id))
        job = (await self.client.get(f"/v1/jobs/{job_id}", headers=self.owner)).json()
        assert job["status"] == "succeeded", job
        return dict(job["result"])
