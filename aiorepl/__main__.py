"""``python -m aiorepl``."""

import sys

from aiorepl.cli import main

if __name__ == "__main__":
    sys.exit(main())
