"""`python -m benchmarks.profiled FILE serve`: the service's own command line under cProfile; writes FILE at its end."""

import cProfile
import signal
import sys
from pathlib import Path
from types import FrameType


def main() -> None:
    """Run `app` with the words after the file's name."""
    profile = cProfile.Profile()
    path, sys.argv = Path(sys.argv[1]), ["app", *sys.argv[2:]]
    # uvicorn raises the signal again once it has stopped; by default that ends the process without a word.
    signal.signal(signal.SIGTERM, _leave)
    from app.cli import main as run

    try:
        profile.runcall(run)
    finally:
        profile.dump_stats(path)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
