"""Where commands print: answers to standard output, the rest beside it."""

import os
import sys

from rich.console import Console

# A pipe or file has no width of its own: 80 columns would cut what somebody wants to keep.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160)
err = Console(stderr=True, highlight=False, soft_wrap=True)
