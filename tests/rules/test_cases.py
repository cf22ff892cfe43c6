"""Every pair of cases in tests/rules/cases: the first shows its rows, the second just does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.rules.coverage.observing import shown
from tests.rules.coverage.pairs import WrittenPair, written
from tests.rules.deciding import codes

if TYPE_CHECKING:
    from caretally.facts.determination import Determination


@pytest.mark.parametrize("pair", written(), ids=[pair.name for pair in written()])
def test_a_case_shows_its_rows_and_its_neighbour_just_does_not(pair: WrittenPair) -> None:
    first, second = pair.answers()
    difference = shown(first) - shown(second)
    for row in pair.rows:
        if not row.startswith("switch "):
            assert row in difference
    if any(row.startswith("switch ") for row in pair.rows):
        assert [d.to_json() for d in first] != [d.to_json() for d in second]
        assert pair.expect
        assert pair.other
    check(pair.expect, first)
    check(pair.other, second)


def check(want: dict[str, Any], found: tuple[Determination, ...]) -> None:
    """Compare an answer with what a case expects of the practitioner, P1 unless `who` names another one."""
    if not want:
        return
    who = want.get("who", "Practitioner/P1") or None
    answer = next(d for d in found if d.billing_practitioner == who)
    assert set(want) <= {"who", "status", "family", "lines", "codes", "lacks", "seconds", "surplus", "messages"}
    lines = [[line.code, line.units, line.service_date.isoformat()] for line in answer.lines]
    if "lines" in want:
        assert lines == want["lines"]
        assert answer.status == want.get("status", "billable")
    if "status" in want:
        assert answer.status == want["status"]
    if "family" in want:
        assert answer.family == want["family"]
    assert set(want.get("codes", ())) <= codes(answer)
    assert not set(want.get("lacks", ())) & codes(answer)
    if "seconds" in want:
        assert dict(answer.counted_seconds) == want["seconds"]
    if "surplus" in want:
        assert answer.surplus_seconds == want["surplus"]
    messages = [finding.message for finding in (*answer.reasons, *answer.notices)]
    for part in want.get("messages", ()):
        assert any(part in message for message in messages), messages
