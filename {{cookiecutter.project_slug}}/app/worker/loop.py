"""One event loop per worker process, in a thread of its own: tasks of all threads share its service and connections."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from app.wiring.service import Service

T = TypeVar("T")


class Loop:
    """Runs coroutines for threads that have no loop of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, name="service", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end and give the result; an interrupted thread takes the work along."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


class Held:
    """The loop and the service of this process, between the worker's start and stop signals."""

    def __init__(self) -> None:
        self._loop: Loop | None = None
        self._service: Service | None = None

    def start(self, service: "Service") -> None:
        """Start the loop and, on it, the service."""
        self._loop, self._service = Loop(), service
        self._loop.run(service.start())

    def stop(self) -> None:
        """Stop the service."""
        if self._loop and self._service:
            self._loop.run(self._service.stop())
            self._loop = self._service = None

    @property
    def service(self) -> "Service":
        """Give the running service."""
        assert self._service is not None, "the worker has not started"
        return self._service

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the service's loop."""
        assert self._loop is not None, "the worker has not started"
        return self._loop.run(work)


held = Held()
