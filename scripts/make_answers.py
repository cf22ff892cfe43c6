#!/usr/bin/env python3
"""Writes tests/rules/cases/answers.txt: the answers to all cases as they are now; read what changed before you keep it.

    python scripts/make_answers.py [--full FOLDER]

With --full the whole answers are written into a folder as well, one file a case, to be compared with those of another
version.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.rules.answers import FILE, answer, names, text


def main() -> int:
    """Writes the file, and the whole answers where they are asked for."""
    FILE.write_text(text(), encoding="utf-8")
    print(f"wrote {FILE}")
    if sys.argv[1:2] == ["--full"]:
        folder = Path(sys.argv[2])
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(names()):
            plain = re.sub(r"[^A-Za-z0-9]+", "-", name)[:80]
            (folder / f"{number:04}-{plain}.txt").write_text("\n".join(answer(name)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
