"""`python -m bot` is the `countersign` command."""

import sys

from bot.cli.main import main

sys.exit(main())
