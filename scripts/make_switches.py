#!/usr/bin/env python3
"""Writes docs/reference/policy-switches.md from mappings/switches.toml; a test writes it again and compares.

python scripts/make_switches.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

from caretally.tables import load_tables

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "policy-switches.md"
HEAD = """# Switches of a payer's policy

Written by `scripts/make_switches.py` from `mappings/switches.toml`: change that, not this page.

Where sources differ there is a switch. Each can be set in a payer's file, in `[policy]` or `[payer.NAME.policy]` of the
configuration, in `[site.NAME.policy]`, and by a flag. Precedence: default, payer, `[policy]`, site, flag; the last one
wins. `caretally rules show` prints the value in force and what set it, and the answer names every switch that differs
from its default (`I-POLICY-USED`). The ids in brackets are resolved in [Sources](sources.md). [Coverage](coverage.md)
lists, for every value, the cases that show its effect.

| Switch | Values | Default | What it decides | Source |
| --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The text of the page."""
    rows = []
    for text in load_tables().switches.values():
        values = "; ".join(f"`{value}`: {effect}" for value, effect in text.values.items()) or text.wanted
        rows.append(f"| `{text.name}` | {values} | `{text.default}` | {text.effect} | {text.source} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(page(), encoding="utf-8")
    print(f"wrote {target}")
