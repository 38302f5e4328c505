"""Under which account PostgreSQL runs: it refuses root, so root lends it another one."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.local.errors import EngineError

# No account is created: that would leave traces outside the project's folder.
CANDIDATES = ("pgserver", "postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """How to start a program and whose its files are; `uid` None: as ourselves."""

    uid: int | None = None
    gid: int | None = None
    bridge: tuple[str, ...] = ()

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for subprocess."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, folder: Path) -> None:
        """Make the folder, private to this account."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.uid is not None and self.gid is not None and folder.stat().st_uid != self.uid:
            os.chown(folder, self.uid, self.gid)


def account_for(*, data: Path, programs: Path) -> Account:
    """Ourselves; as root the owner of `data`, or an account that can reach both paths.

    Raises EngineError when root can lend none.
    """
    if os.geteuid() != 0:
        return Account()
    lent = _lent(data)
    written_by_root = data.exists() and data.stat().st_uid == 0
    if written_by_root or not _reachable((data.parent, programs), lent):
        return _namespace(lent, programs)
    return Account(lent.pw_uid, lent.pw_gid)


def _lent(data: Path) -> pwd.struct_passwd:
    if data.exists() and data.stat().st_uid != 0:
        return pwd.getpwuid(data.stat().st_uid)
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in CANDIDATES:
        if name in known:
            return known[name]
    raise EngineError("PostgreSQL does not run as root, and none of the accounts " + ", ".join(CANDIDATES) + " exists")


def _reachable(paths: Sequence[Path], lent: pwd.struct_passwd) -> bool:
    folders = {folder for path in paths for folder in (path, *path.parents)}
    return all(_may_enter(folder.stat(), lent) for folder in folders if folder.exists())


def _may_enter(folder: os.stat_result, lent: pwd.struct_passwd) -> bool:
    if folder.st_uid == lent.pw_uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == lent.pw_gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def _namespace(lent: pwd.struct_passwd, programs: Path) -> Account:
    """Root under another number: inside the namespace it is not root, outside it may go where root may."""
    bridge = ("unshare", "--user", f"--map-user={lent.pw_uid}", f"--map-group={lent.pw_gid}")
    if shutil.which("unshare") and not subprocess.run([*bridge, "true"], capture_output=True, check=False).returncode:
        return Account(bridge=bridge)
    raise EngineError(
        f"PostgreSQL does not run as root, and the account {lent.pw_name} cannot reach {programs} or the data folder. "
        "Run as a normal user, or let others pass: chmod o+x on each folder above them (for instance /root)."
    )
