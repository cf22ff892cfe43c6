"""The golden cases through the command line, folder to folder, by the script that users get."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"


def test_every_golden_case_passes_by_the_command_line(tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    subprocess.run([sys.executable, str(GOLDEN / "to_fhir.py"), str(GOLDEN / "cases.jsonl"), str(cases)], check=True)
    done = subprocess.run(
        [sys.executable, str(GOLDEN / "check.py"), str(cases), "--", sys.executable, "-m", "caretally"],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "42 passed, 0 failed", done.stdout + done.stderr
    assert done.returncode == 0
