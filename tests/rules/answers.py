"""The whole answer to every case, kept (tests/rules/cases/answers.txt): nothing that a reader sees changes unseen.

A case is kept as what a biller reads of its answer (status, lines, reasons, notices, excluded minutes), as far as it
differs from the plain answer of its programme, and a digest of everything else: trace, evidence, paper, citations.
`scripts/make_answers.py` writes the file again after a change that is wanted; ``--full FOLDER`` writes whole answers,
so that those of two versions can be compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caretally.rules import determine
from caretally.rules.candidates import candidates
from tests.calculator.patient_months import generate
from tests.rules import test_golden, test_reasons
from tests.rules.builder import CaseBuilder
from tests.rules.coverage.pairs import programme_facts, written
from tests.rules.deciding import TWENTY, question

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from caretally.facts.determination import Determination
    from caretally.facts.patient_month import PatientMonth
    from caretally.rules import RuleContext

FILE = Path(__file__).parent / "cases" / "answers.txt"
HEAD = "# Written by scripts/make_answers.py: what a biller reads of each answer, and a digest of the rest.\n"
UNSTABLE = frozenset({"tables_version"})
"""What every change of a table changes."""
HOUR = {"who": "N1", "role": "RN", "date": "2025-03-20", "min": 60}
READ = ("status", "family", "lines", "projected", "reasons", "notices", "time.")
"""Parts of an answer that are kept in words."""


def lines_of(found: Iterable[Determination]) -> list[str]:
    """Return an answer as lines."""
    return [line for one in found for line in _of({**one.to_json(), "for the claim": _for_the_claim(one)})]


def _for_the_claim(one: Determination) -> dict[str, Any]:
    """Return what the answer keeps for the claim and does not write itself."""
    lines = (*one.lines, *one.projected)
    return {
        "organization": one.organization,
        "lines": [[line.code, line.system, line.definition, line.programme, *line.diagnoses] for line in lines],
    }


def _of(answer: dict[str, Any]) -> Iterator[str]:
    who = str(answer["billing_practitioner"]).rpartition("/")[2]
    for key, value in answer.items():
        if isinstance(value, dict):
            for inner, part in value.items():
                if inner not in UNSTABLE:
                    yield from _item(f"{who} {key}.{inner}", part)
        else:
            yield from _item(f"{who} {key}", value)


def _item(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        for item in value:
            nested = {k: v for k, v in item.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
            yield f"{name} {_text({k: v for k, v in item.items() if k not in nested})}"
            for key, rows in nested.items():
                yield from _item(f"{name}.{key}", rows)
    elif isinstance(value, dict) and any(isinstance(part, dict | list) for part in value.values()):
        for key, part in value.items():
            yield from _item(f"{name}.{key}", part)
    else:
        yield f"{name} {_text(value)}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


Question = Callable[[], "tuple[PatientMonth, RuleContext]"]
RANDOM = 400
"""Random patient-months whose answers are kept by digest."""


@lru_cache
def cases() -> dict[str, Question]:
    """Return how each case is answered, by its name."""
    found: dict[str, Question] = {}
    for name, facts in programme_facts().items():
        found[f"plain {name}"] = partial(question, {**facts, "entries": [{**HOUR, "prog": name}]}, {})
    for pair in written():
        found[f"{pair.name} (1)"] = partial(question, pair.case, pair.policy)
        found[f"{pair.name} (2)"] = partial(question, pair.neighbour, pair.other_policy)
    for number, row in enumerate(test_reasons.PAIRS, 1):
        other = row.switches if row.other_switches is None else row.other_switches
        found[f"{row.code} {number} (1)"] = partial(question, {"entries": TWENTY, **row.case}, row.switches or {})
        found[f"{row.code} {number} (2)"] = partial(question, {"entries": TWENTY, **row.neighbour}, other or {})
    for case in test_golden.CASES:
        found[str(case["id"])] = partial(_golden, case)
    for seed in range(RANDOM):
        found[f"random {seed}"] = partial(generate, seed)
    return found


def _golden(case: dict[str, Any]) -> tuple[PatientMonth, RuleContext]:
    builder = CaseBuilder(case, {})
    return builder.month(), builder.context()


def names() -> tuple[str, ...]:
    """Return the names of all cases."""
    return tuple(cases())


def answer(name: str) -> list[str]:
    """Return the answer to a case as lines, and who could be served on it."""
    asked = cases()[name]()
    suggested = [f"candidates {_text(asdict(one))}" for one in candidates(*asked)]
    return [*lines_of(determine(*asked)), *suggested]


def kept() -> dict[str, list[str]]:
    """Return the file, by case."""
    found: dict[str, list[str]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("== "):
            found[line.removeprefix("== ").rpartition(" | ")[0].rpartition(" | ")[0] or _plain_name(line)] = [line]
        else:
            found[next(reversed(found))].append(line)
    return found


def _plain_name(line: str) -> str:
    return line.removeprefix("== ").partition(" | ")[0]


@lru_cache
def plain() -> dict[str, list[str]]:
    """Return the plain answer of each programme: an hour of a nurse."""
    return {name: answer(f"plain {name}") for name in programme_facts()}


def told(name: str, found: list[str]) -> list[str]:
    """Return a case as it stands in the file."""
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]
    if name.startswith("random "):
        return [f"== {name} | {digest}"]
    if name.startswith("plain "):
        return [f"== {name} | {digest}", *_read(found)]
    rest = {base: [line for line in _read(found) if line not in _read(plain()[base])] for base in plain()}
    base = min(rest, key=lambda key: len("".join(rest[key])))
    return [f"== {name} | {base} | {digest}", *rest[base]]


def _read(lines: list[str]) -> list[str]:
    """Return the part of an answer that a biller reads, without citations and evidence."""
    found = []
    for line in lines:
        who, key, value = (*line.split(" ", 2), "", "")[:3]
        if not key.startswith(READ):
            continue
        if key in {"reasons", "notices"} and value.startswith("{"):
            item = json.loads(value)
            value = f"{item['code']} {item['message']}"
        found.append(f"{who} {key} {value}")
    return found


def text() -> str:
    """Return the whole file."""
    return HEAD + "\n".join(line for name in names() for line in told(name, answer(name))) + "\n"
