"""Runs the tests marked ``prove`` at length and writes what they looked at, and for how long, to docs/proof.md.

    python scripts/prove.py [pytest arguments]

Each property is tried on 100 000 examples (CARETALLY_PROVE_EXAMPLES: another number). A test that goes through cases of
its own says how many with ``record_property("cases", n)``. With arguments that choose some proofs, only their rows are
written anew: each row says when and at which commit it was proved. A proof that fails loses its row, whatever it once
held, and the others keep what they took hours to earn; the exit code is then pytest's.
"""

from __future__ import annotations

import base64
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Collection

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "docs" / "proof.md"
STATISTICS = "hypothesis-statistics-"  # the name under which hypothesis files its figures in a JUnit report

FAILED = ("failure", "error")
"""How JUnit names the ends of a test that did not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One test that passed.

    Attributes:
        cases: how many it looked at; None: it did not say.
        seconds: that it took.
        date, commit: when it was proved, and of what.
    """

    name: str
    cases: int | None
    seconds: int
    date: str = ""
    commit: str = ""


def run_proofs(arguments: list[str]) -> tuple[int, ET.Element | None]:
    """Pytest's exit code, and its report where it wrote one."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-m",
                "prove",
                "-ojunit_family=xunit1",
                f"--junitxml={report}",
                *arguments,
            ],
            cwd=ROOT,
            env={**os.environ, "CARETALLY_PROVE": "1"},
            check=False,
        )
        # Our own pytest wrote this file a moment ago.
        return done.returncode, ET.parse(report).getroot() if report.is_file() else None  # noqa: S314


def dotted(node_id: str) -> str:
    """A test's name as JUnit reports have it: tests/a/test_b.py::TestC::test_d[1] is tests.a.test_b.TestC.test_d[1]."""
    path, _, name = node_id.partition("::")
    names, bracket, parameters = name.partition("[")
    return f"{path.removesuffix('.py').replace('/', '.')}.{names.replace('::', '.')}{bracket}{parameters}"


def examples(report: ET.Element) -> dict[str, int]:
    """How many examples hypothesis tried, by the dotted name of the test."""
    found: dict[str, int] = {}
    for entry in report.iter("property"):
        name, value = entry.get("name", ""), entry.get("value", "")
        if name.startswith(STATISTICS):
            told = base64.b64decode(value).decode()
            counts = [int(number) for number in re.findall(r"(\d+) passing", told)]
            if not counts:
                sys.exit(f"prove: hypothesis now words its statistics differently; adapt scripts/prove.py:\n{told}")
            found[dotted(name.removeprefix(STATISTICS))] = sum(counts)
    return found


def proofs(report: ET.Element) -> list[Proof]:
    """Every test of the report that held, in its order; skipped ones prove nothing and are left to the summary."""
    tried = examples(report)
    found = []
    for case in report.iter("testcase"):
        if ended(case, "skipped", *FAILED):
            continue
        name = full_name(case)
        stated = [p.get("value", "") for p in case.iter("property") if p.get("name") == "cases"]
        cases = int(stated[0]) if stated else tried.get(name)
        found.append(Proof(name=row_name(name), cases=cases, seconds=round(float(case.get("time", "0")))))
    return found


def failed(report: ET.Element) -> set[str]:
    """The names, as in a row, of the tests that failed or broke."""
    return {row_name(full_name(case)) for case in report.iter("testcase") if ended(case, *FAILED)}


def ended(case: ET.Element, *ways: str) -> bool:
    """Whether a test ended in one of some ways, as JUnit names them."""
    return any(case.find(way) is not None for way in ways)


def full_name(case: ET.Element) -> str:
    """A test's dotted name."""
    return f"{case.get('classname')}.{case.get('name')}"


def row_name(name: str) -> str:
    """The same as a row has it."""
    return name.removeprefix("tests.")


def commit() -> str:
    """The commit that was proved, with a mark when files differ from it; empty outside a checkout.

    The page of proofs itself is no such file: the proof before this one wrote it.
    """
    described = _git("rev-parse", "--short=7", "HEAD")
    page_of_proofs = REPORT.relative_to(ROOT)
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", f":(exclude){page_of_proofs}")
    return f"{described}-dirty" if described and changed else described


def _git(*words: str) -> str:
    try:
        told = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return told.stdout.strip()


ROW = re.compile(r"^\| (\S[^|]*?) \| ([0-9,]*) \| ([0-9,]+) s \| (\S*) \| (\S*) \|$", re.MULTILINE)


def rows_of(text: str) -> list[Proof]:
    """Read the proofs of an earlier page."""
    return [
        Proof(
            name=name,
            cases=int(cases.replace(",", "")) if cases else None,
            seconds=int(seconds.replace(",", "")),
            date=date,
            commit=of,
        )
        for name, cases, seconds, date, of in ROW.findall(text)
    ]


def merged(earlier: list[Proof], found: list[Proof], lost: Collection[str] = ()) -> list[Proof]:
    """Put new rows in the place of those of the same name and leave out the lost ones; the others stay."""
    now, of = f"{datetime.now(UTC):%Y-%m-%d}", commit() or "unknown"
    rows = {proof.name: proof for proof in earlier if proof.name not in lost}
    rows |= {proof.name: replace(proof, date=now, commit=of) for proof in found}
    return [rows[name] for name in sorted(rows)]


def mutation() -> str:
    """How many faults the tests of the rules find, as scripts/mutate.py wrote it."""
    path = ROOT / "docs" / "mutation.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    told = dict(re.findall(r"^\| ([a-z ]+) \| (.+?) \|$", text, re.MULTILINE))
    if "score" not in told:
        return "not measured"
    return f"{told['score']} of {told['faults tried']} ([which](mutation.md))"


def page(found: list[Proof]) -> str:
    """The text of docs/proof.md."""
    locked = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    hypothesis = re.search(r"^hypothesis==(\S+)", locked, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    facts = {
        "Python": platform.python_version(),
        "hypothesis": hypothesis.group(1) if hypothesis else "not known",
        "processors": str(os.cpu_count()),
        "proofs": str(len(found)),
        "cases": f"{sum(proof.cases or 0 for proof in found):,}",
        "time": f"{sum(proof.seconds for proof in found):,} s",
        "faults that the tests find": mutation(),
    }
    rows = (
        f"| {p.name} | {'' if p.cases is None else f'{p.cases:,}'} | {p.seconds:,} s | {p.date} | {p.commit} |"
        for p in found
    )
    return "\n".join(
        [
            f"# What {project} was proved on",
            "",
            "Written by `make prove`; every row held. `make test` runs the same tests on fewer cases. A row says",
            "when it was proved, and at which commit.",
            "",
            "| | |",
            "| --- | --- |",
            *(f"| {key} | {value} |" for key, value in facts.items()),
            "",
            "| proof | cases | time | date | commit |",
            "| --- | ---: | ---: | --- | --- |",
            *rows,
            "",
        ]
    )


def main() -> int:
    """Runs the proofs, writes the page, and returns pytest's exit code."""
    code, report = run_proofs(sys.argv[1:])
    if report is None:
        print(f"prove: pytest wrote no report (exit {code}); {REPORT} is left as it was", file=sys.stderr)
        return code or 1
    earlier = rows_of(REPORT.read_text(encoding="utf-8")) if REPORT.is_file() else []
    lost = failed(report)
    REPORT.write_text(page(merged(earlier, proofs(report), lost)), encoding="utf-8")
    print(f"wrote {REPORT}")
    for name in sorted(lost):
        print(f"prove: did not hold, and has no row any more: {name}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
