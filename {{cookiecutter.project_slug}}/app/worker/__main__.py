"""`python -m app.worker turns|documents|beat` starts one worker process."""

import sys

from app.errors import CannotStart
from app.wiring.process import configure
from app.wiring.refusing import settings_to_start_with
from app.worker.start import start

ROLES = ("turns", "documents", "beat")


def main() -> None:
    """Start the worker named on the command line."""
    role = next((role for role in ROLES if sys.argv[1:] == [role]), None)
    if role is None:
        sys.exit(f"usage: python -m app.worker {'|'.join(ROLES)}")
    try:
        settings = settings_to_start_with()
        configure(settings)
        start(role, settings)  # type: ignore[arg-type]
    except CannotStart as error:
        sys.exit(f"The worker cannot start:\n{error.detail}")


if __name__ == "__main__":
    main()
