"""One invented practice in January 2025, to be changed between runs: what people decide, and what changes since."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.cli.running import Outcome, inside
from tests.sync.practices import golden, together, write

CONFIG = """
[policy]
other_claims_known = "full"

[site.main]
zone = "America/New_York"
place_of_service = "11"

[writeback]
tenant = "january"
"""
MONTH = ("--month", "2025-01")
RN = {"role": "RN", "who": "N1"}
STAFF_25 = {"entries": [{**RN, "date": "2025-01-13", "min": 25}]}
STAFF_45 = {"entries": [{**RN, "date": "2025-01-13", "min": 25}, {**RN, "date": "2025-01-21", "min": 20}]}


class January:
    """A source folder, a folder of results and a configuration; every command is run as people run it."""

    def __init__(self, folder: Path, **cases: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.source = folder / "source"
        self.out = folder / "out"
        self.config = folder / "january.toml"
        self.config.write_text(CONFIG)
        self.practice = together(*(golden("G02", f"{name}-", **case) for name, case in cases.items()))
        self.save()

    def copied(self, folder: Path) -> January:
        """Give a copy of everything, to go on from."""
        copy = January.__new__(January)
        shutil.copytree(self.out.parent, folder)
        copy.source, copy.out, copy.config = folder / "source", folder / "out", folder / self.config.name
        copy.practice = json.loads(json.dumps(self.practice))
        return copy

    def save(self) -> None:
        """Write the source anew."""
        write(self.source, self.practice)

    def one(self, reference: str) -> dict[str, Any]:
        """Give a resource of the source, to be changed."""
        kind, _, name = reference.partition("/")
        return next(row for row in self.practice[kind] if row["id"] == name)

    def change(self, **cases: dict[str, Any]) -> None:
        """Take other facts of some patients; what is in the source of others stays."""
        kept = {
            kind: [row for row in rows if not any(row["id"].startswith(f"{name}-") for name in cases)]
            for kind, rows in self.practice.items()
        }
        self.practice = together(kept, *(golden("G02", f"{name}-", **case) for name, case in cases.items()))

    def twin(self, patient: str, twin: str, *, insured: bool = True) -> None:
        """Add a second record of a person with copies of everything; the staff is the same.

        Args:
            patient: id of the record.
            twin: id of the other one.
            insured: whether both have the same number of the insurer.
        """
        prefix = twin.replace("-", "")
        for kind in ("Patient", "Condition", "CarePlan", "Goal", "Consent", "Coverage", "Encounter", "Communication"):
            own = [row for row in self.practice.get(kind, []) if patient in json.dumps(row)]
            names = {row["id"]: f"{prefix}-{row['id']}" for k in self.practice for row in self.practice[k]}
            names[patient] = twin
            for row in own:
                copy = _renamed(row, names, kinds={"Practitioner", "Organization", "PractitionerRole"})
                if kind == "Coverage" and not insured:
                    copy.pop("subscriberId", None)
                self.practice[kind].append(copy)

    def remove(self, reference: str) -> None:
        kind, _, name = reference.partition("/")
        self.practice[kind] = [row for row in self.practice[kind] if row["id"] != name]

    def call(self, *words: str | Path, code: int = 0) -> Outcome:
        """Run a command with the configuration; its exit code must be the one expected."""
        done = inside(*words, "--config", self.config, "--quiet")
        assert done.code == code, f"exit {done.code}: {done.err}{done.out}"
        return done

    def apply(self, *more: str) -> Outcome:
        self.save()
        return self.call("apply", self.source, *MONTH, "--as-of", "2025-02-10", "--out", self.out, *more)

    def plan(self, *more: str) -> str:
        self.save()
        return self.call("plan", self.source, *MONTH, "--as-of", "2025-02-10", "--out", self.out, *more).out

    def review(self, command: str, *words: str | Path, code: int = 0) -> Outcome:
        return self.call("review", command, self.out, *words, "--by", "R. Example", code=code)

    def approve(self, *patients: str, code: int = 0) -> Outcome:
        return self.review("approve", *patients, *MONTH, "--as-of", "2025-02-10", code=code)

    def waiting(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("review", "list", self.out, *MONTH, "--json").json()
        return found

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = self.out / f"{name}.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def answer(self, patient: str) -> dict[str, Any]:
        return next(row for row in self.lines("determinations") if row["patient"] == patient)

    def reasons(self, patient: str) -> list[str]:
        return [reason["code"] for reason in self.answer(patient)["reasons"]]

    def codes(self, patient: str) -> list[str]:
        return [line["code"] for line in self.answer(patient)["lines"]]

    def claims(self, patient: str | None = None) -> list[dict[str, Any]]:
        return [row for row in self.lines("Claim") if patient in {None, row["patient"]["reference"]}]

    def live(self) -> list[dict[str, Any]]:
        return [row for row in self.claims() if row["status"] != "cancelled"]


def _renamed(value: Any, names: dict[str, str], *, kinds: set[str]) -> Any:
    """Copy a resource with other ids; references to some kinds stay."""
    if isinstance(value, list):
        return [_renamed(item, names, kinds=kinds) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _renamed(item, names, kinds=kinds) for key, item in value.items()}
    reference = value.get("reference")
    if isinstance(reference, str):
        kind, _, name = reference.partition("/")
        found["reference"] = reference if kind in kinds else f"{kind}/{names.get(name, name)}"
    if "resourceType" in value:
        found["id"] = names[value["id"]]
    return found
