"""`python -m app` is `app`."""

import gc

# Looking for garbage while everything is loaded costs a tenth of a short command's life; main() turns it on again.
gc.disable()

from app.cli import main  # noqa: E402

__all__ = ["main"]

if __name__ == "__main__":
    main()
