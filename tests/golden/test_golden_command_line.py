"""The golden cases through the command line, folder to folder, by the script that users get."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.forking import program

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
PARTS = 2
"""The script is run on so many shares of the cases at once: each case starts the program several times."""


def test_every_golden_case_passes_by_the_command_line(tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    subprocess.run([sys.executable, str(GOLDEN / "to_fhir.py"), str(GOLDEN / "cases.jsonl"), str(cases)], check=True)
    shares = [tmp_path / f"share{n}" for n in range(PARTS)]
    for share in shares:
        share.mkdir()
    names = sorted(folder.name for folder in cases.iterdir() if (folder / "case.json").exists())
    for number, name in enumerate(names):
        # A case may come with the folder of what was billed before it.
        for folder in cases.glob(f"{name}*"):
            folder.rename(shares[number % PARTS] / folder.name)
    running = [
        subprocess.Popen(
            [sys.executable, str(GOLDEN / "check.py"), str(share), "--", program()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for share in shares
    ]
    said = [process.communicate(timeout=900)[0] for process in running]
    assert len(names) == 42
    assert [text.splitlines()[-1] for text in said] == ["21 passed, 0 failed"] * PARTS, "\n".join(said)
    assert [process.returncode for process in running] == [0] * PARTS
