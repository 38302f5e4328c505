"""Run one command with engines: `make up`'s when it runs, else some started for the command and stopped after it.

`python -m ops.local.borrow app evaluate`
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.local.engines import Engines, local_folder
from ops.local.errors import LocalError
from ops.local.parts import app
from ops.local.secrets import read, with_file


def run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command and give its exit code; `app` stands for the service's own command line."""
    argv = app(*command[1:]) if command[0] == "app" else tuple(command)
    addresses = read(local_folder(environ) / "engines.env")
    if addresses or ("DATABASE_URL" in environ and "REDIS_URL" in environ):
        return subprocess.run(argv, env={**addresses, **environ}, check=False).returncode
    with Engines(local_folder(environ), environ=environ) as engines:
        urls = {"DATABASE_URL": engines.database_url, "REDIS_URL": engines.redis_url}
        for step in (app("migrate"), argv):
            code = subprocess.run(step, env={**environ, **urls}, check=False).returncode
            if code:
                return code
    return 0


def main() -> None:
    """Run what stands on the command line."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m ops.local.borrow COMMAND [WORD ...]")
    try:
        sys.exit(run(sys.argv[1:], with_file(os.environ, Path(".env"))))
    except LocalError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
