"""The switch max_entry_minutes: an entry may be as long as it says, and not a second longer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from caretally.mapping import MappedPatient, map_patient
from tests.mapping.patients import PRACTICE_TYPES, changed, context

START = datetime(2025, 1, 13, 14, tzinfo=UTC)


def entry(seconds: int, most_minutes: int) -> MappedPatient:
    """Map a golden patient whose first entry is so long, where entries may have so many minutes."""

    def change(resource: dict[str, Any]) -> None:
        resource.pop("length", None)
        end = START + timedelta(seconds=seconds)
        resource["period"] = {"start": START.isoformat(), "end": end.isoformat()}

    found = changed("Encounter", 1, change)
    own = [r for r in found if r.get("resourceType") not in PRACTICE_TYPES]
    return map_patient("Patient/pat", own, replace(context(found), max_entry_minutes=most_minutes))


@pytest.mark.parametrize("minutes", [1, 60, 240])
def test_as_long_as_the_switch_allows_is_read(minutes: int) -> None:
    (read,) = [e for e in entry(minutes * 60, minutes).facts.entries if e.reference == "Encounter/time-1"]
    assert (read.invalid, read.seconds) == (None, minutes * 60)


@pytest.mark.parametrize("minutes", [1, 60, 240])
def test_one_second_more_than_the_switch_allows_is_refused(minutes: int) -> None:
    found = entry(minutes * 60 + 1, minutes)
    (read,) = [e for e in found.facts.entries if e.reference == "Encounter/time-1"]
    assert read.invalid is not None
    assert read.invalid in {issue.code for issue in found.issues}
