"""`make up`: engines, migrations, samples and every part of the service on this machine, until Ctrl-C."""

import argparse
import asyncio
import os
import re
import signal
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ops.local import board, processes
from ops.local.engines import Engines, LocalError, Postgres, Redis, local_folder
from ops.local.parts import SERVICE, Part, Plan
from ops.local.screen import Screen
from ops.local.secrets import with_file
from ops.local.session import Session
from ops.local.supervisor import Child, Supervisor

READY_S = 90.0
GOOD, SHORT, WRONG = 0, 1, 2
CITATION = re.compile(r"\[\d+\]")
# psycopg would obey these over the address we hand out.
FOREIGN = ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSERVICE")


class Up:
    """One run of the service; `arguments` are those of the command line."""

    def __init__(self, arguments: argparse.Namespace, plan: Plan) -> None:
        """Nothing starts yet."""
        self._plan, self._arguments = plan, arguments
        self._question = arguments.once or arguments.demo
        self._environ = with_file(os.environ, Path(".env"))
        folder = local_folder(self._environ)
        self._screen = Screen(quiet=bool(self._question))
        self._engines = Engines(environ=self._environ)
        self._session = Session(folder)
        self._supervisor = Supervisor(folder, self._screen)
        self._starting: asyncio.Future[None] | None = None
        self._signalled, self._hurry = asyncio.Event(), asyncio.Event()

    async def run(self) -> int:
        """Do the journey until it is done, a part ends or we are told to stop; answers the exit code."""
        self._session.claim()
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(sign, self._told, sign)
        try:
            return await self._whichever_first()
        finally:
            await self._stop()

    def _told(self, sign: signal.Signals) -> None:
        if self._signalled.is_set() and sign is signal.SIGINT:
            self._hurry.set()
        self._signalled.set()

    async def _whichever_first(self) -> int:
        ways = (self._interruption(), self._death(), self._engine_death(), self._journey())
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in tasks if task in done).result()
        finally:
            for task in tasks:
                task.cancel()

    async def _interruption(self) -> int:
        await self._signalled.wait()
        return GOOD

    async def _death(self) -> int:
        return self._report(await self._supervisor.first_end(), "ended")

    async def _engine_death(self) -> int:
        seen: set[Postgres | Redis] = set()
        while True:
            await asyncio.sleep(0.3)
            for engine in (self._engines.postgres, self._engines.redis):
                if engine and engine.is_running():
                    seen.add(engine)
                elif engine in seen:
                    said = engine.log.read_text(errors="replace").splitlines()[-10:]
                    self._screen.plain("\n".join([f"{type(engine).__name__} ended; its last lines:", *said]))
                    return SHORT

    async def _journey(self) -> int:
        for name in self._supervisor.end_leftovers():
            self._screen.say(f"{name}: left over from an earlier run, killed")
        await self._start_engines()
        url, env = self._publish()
        if code := await self._finish(self._plan.migrate, env):
            return code
        children = [self._supervisor.start(part, env) for part in self._plan.parts if not part.waits]
        if not await self._ready(url):
            return SHORT
        children += [self._supervisor.start(part, env) for part in self._plan.parts if part.waits]
        table = board.rows(self._engines, children, supervisor=self._supervisor, url=url)
        if not self._question:
            self._screen.table(table)
        if code := await self._finish(self._plan.samples, env):
            return code
        if self._question:
            code = await self._ask(env)
            self._screen.table(table)
            if self._arguments.once:
                self._screen.say("make up keeps it running")
            if self._arguments.once or code:
                return code
        self._screen.say(f"ready: {url} (Ctrl-C stops everything)")
        return await asyncio.Future()

    async def _start_engines(self) -> None:
        async with self._screen.step("engines"):
            # A thread cannot be cancelled: `_stop` waits for it.
            self._starting = asyncio.ensure_future(asyncio.to_thread(self._engines.start))
            await asyncio.shield(self._starting)

    def _publish(self) -> tuple[str, dict[str, str]]:
        """The API's address and the environment of the parts, once the addresses are on disk."""
        host, wanted = self._environ.get("APP_HOST") or "127.0.0.1", int(self._environ.get("APP_PORT") or 8000)
        port = processes.free_port(wanted, host)
        if port != wanted:
            self._screen.say(f"port {wanted} is taken: the API listens on {port}")
        url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104
        addresses = {"DATABASE_URL": self._engines.database_url, "REDIS_URL": self._engines.redis_url, "APP_URL": url}
        self._session.publish(addresses)
        ours = {key: value for key, value in self._environ.items() if key not in FOREIGN}
        return url, {**ours, **addresses, "APP_HOST": host, "APP_PORT": str(port), "PYTHONUNBUFFERED": "1"}

    async def _finish(self, part: Part, env: Mapping[str, str]) -> int:
        async with self._screen.step(part.name):
            child = await self._supervisor.run(part, env)
        return self._report(child, "failed") if child.exit_code else GOOD

    async def _ready(self, url: str) -> bool:
        refusal, pause_s = "nothing", 0.05
        try:
            async with self._screen.step("start"), asyncio.timeout(READY_S):
                for path in (part.health for part in self._plan.parts if part.health):
                    while refusal := await asyncio.to_thread(_refusal, url + path):
                        await asyncio.sleep(pause_s)
                        pause_s = min(1.2 * pause_s, 0.25)
        except TimeoutError:
            self._screen.say(f"not ready after {READY_S:.0f} s; the API says: {refusal}")
            return False
        return True

    async def _ask(self, env: Mapping[str, str]) -> int:
        asker = self._arguments.asker
        ask = replace(self._plan.ask, argv=(*self._plan.ask.argv, "--as", asker, self._question))
        self._screen.say(f'\n$ app ask --as {asker} "{self._question}"')
        child = await self._supervisor.run(ask, env)
        answer = self._supervisor.log(ask.name).read_text()
        self._screen.plain(answer)
        if not child.exit_code and not CITATION.search(answer):
            self._screen.say("the answer cites nothing")
            return SHORT
        return child.exit_code or GOOD

    def _report(self, child: Child, verb: str) -> int:
        name = child.part.name
        first = f"{name} {verb} with exit code {child.exit_code}; its last lines:"
        self._screen.plain("\n".join([first, *child.tail, f"all of them: {self._supervisor.log(name)}"]))
        return child.exit_code or SHORT

    async def _stop(self) -> None:
        self._screen.say("stopping")
        await self._supervisor.stop(self._hurry)
        if self._starting is not None:
            await asyncio.gather(self._starting, return_exceptions=True)
        await asyncio.to_thread(self._engines.stop)
        self._session.end()
        self._screen.say("stopped")


def _refusal(url: str) -> str:
    """Why the address is not ready; empty when it is."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return "" if answer.status == 200 else f"status {answer.status}"
    except urllib.request.HTTPError as failure:
        return f"{failure} {failure.read(500).decode(errors='replace')}"
    except OSError as failure:
        return str(failure)


def main(argv: Sequence[str] | None = None, plan: Plan = SERVICE) -> int:
    """Run the command line; answers 0 after a clean stop, a dead part's exit code, 2 when it could not start."""
    parser = argparse.ArgumentParser(prog="python -m ops.local.up", description=__doc__)
    parser.add_argument("--once", metavar="QUESTION", help="answer this question and stop; 1 without a citation")
    parser.add_argument("--demo", metavar="QUESTION", help="answer this question and stay up")
    parser.add_argument("--as", dest="asker", default="erin.holt", metavar="WHO", help="who asks")
    try:
        return asyncio.run(_run(parser.parse_args(argv), plan))
    except LocalError as failure:
        print(failure, file=sys.stderr)
        return WRONG


async def _run(arguments: argparse.Namespace, plan: Plan) -> int:
    return await Up(arguments, plan).run()


if __name__ == "__main__":
    sys.exit(main())
