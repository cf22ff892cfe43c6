"""``python -m caretally``."""

from __future__ import annotations

from caretally.cli import main

if __name__ == "__main__":
    main()
