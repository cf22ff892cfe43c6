"""Runs the official SQL-on-FHIR v2 test suite against caretally.mapping.evaluate.

    python bench/sql_on_fhir_suite.py PATH_TO_TESTS [--errors]

PATH_TO_TESTS is the folder `tests` of a checkout of the repository FHIR/sql-on-fhir-v2; the suite is not part of this
project. Prints the totals of each tag and every failure; with --errors also what each case that expects an error was
refused for, so that a reader can see that it is the right reason. Exit code 1 if a shareable or experimental case
fails. Rows are compared without regard to their order, column order only where the suite states it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from caretally.mapping import RowError, ViewError, evaluate

MUST_PASS = frozenset({"shareable", "experimental"})


def canonical(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows in a form that can be compared: numbers 1 and 1.0 are the same, the order does not count."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return [plain(item) for item in value] if isinstance(value, list) else value

    return sorted(json.dumps({name: plain(value) for name, value in row.items()}, sort_keys=True) for row in rows)


def run(case: dict[str, Any], resources: list[dict[str, Any]]) -> tuple[bool, str]:
    """Return whether one case passes, and what was found."""
    try:
        rows = list(evaluate(case["view"], resources))
    except (RowError, ViewError) as error:
        return bool(case.get("expectError")), f"{type(error).__name__}: {error}"
    if case.get("expectError"):
        return False, f"no error, but {len(rows)} rows"
    if "expectColumns" in case and [list(row) for row in rows] != [case["expectColumns"]] * len(rows):
        return False, f"columns {list(rows[0]) if rows else []}"
    if "expectCount" in case and len(rows) != case["expectCount"]:
        return False, f"{len(rows)} rows"
    if "expect" in case and canonical(rows) != canonical(case["expect"]):
        return False, json.dumps(rows)
    return True, ""


def main(arguments: list[str]) -> int:
    """Run all files of the folder; return the exit code."""
    folders = [argument for argument in arguments if not argument.startswith("--")]
    if len(folders) != 1:
        print(__doc__)
        return 2
    files = sorted(Path(folders[0]).glob("*.json"))
    if not files:
        print(f"found no *.json in {folders[0]}, wanted the folder tests of the suite")
        return 2
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    broken = False
    for file in files:
        group = json.loads(file.read_bytes())
        for case in group["tests"]:
            tags = case.get("tags") or ["untagged"]
            good, found = run(case, group["resources"])
            total.update(["all", *tags])
            if good:
                passed.update(["all", *tags])
                if case.get("expectError") and "--errors" in arguments:
                    print(f"refused {file.name}: {case['title']}\n    {found}")
                continue
            broken = broken or bool(MUST_PASS.intersection(tags))
            print(f"FAILED {file.name}: {case['title']} ({', '.join(tags)})\n    found  {found}")
            print(f"    wanted {'an error' if case.get('expectError') else json.dumps(case.get('expect'))}")
    for tag in sorted(total):
        print(f"{tag:14} {passed[tag]:4} of {total[tag]}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
