#!/usr/bin/env python3
"""Writes docs/reference/coverage.md: every row of every table with the cases that show it.

    python scripts/make_coverage.py

A test compares the page with the tables; run this after a change of a table or of a case.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.rules.coverage.page import PAGE, page, rows, shown_by


def main() -> int:
    """Writes the page; 1 when rows have no pair of cases."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
    missing = [row for row in rows() if row not in shown_by()]
    for row in missing:
        print(f"no pair of cases: {row}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
