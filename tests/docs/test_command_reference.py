from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_what_the_program_says(tmp_path: Path) -> None:
    written = tmp_path / "commands.md"
    subprocess.run([sys.executable, ROOT / "scripts" / "make_commands.py", written], check=True)
    shipped = ROOT / "docs" / "reference" / "commands.md"
    assert written.read_text() == shipped.read_text(), "run scripts/make_commands.py"
