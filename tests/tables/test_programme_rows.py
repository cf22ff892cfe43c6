"""Rows of further programmes, sites and conflicts: a mistake is refused with file, row, found and wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from caretally.errors import TableError
from caretally.tables import load_tables

if TYPE_CHECKING:
    from pathlib import Path


def changed(root: Path, file: str, old: str, new: str) -> str:
    """Return what is said of the shipped tables with one text replaced."""
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    with pytest.raises(TableError) as refused:
        load_tables(root=root)
    return str(refused.value)


PROGRAMMES, CONFLICTS = "services/programmes.toml", "services/conflicts.toml"
MISTAKES = [
    (PROGRAMMES, 'apart_from = ["pcm"]', 'apart_from = ["pmc"]', ["pin", "apart_from", "pmc", "pcm"]),
    (PROGRAMMES, 'apart_hold = "R-CONFLICT-PIN-PCM"', "", ["pin", "apart_from and apart_hold belong together"]),
    (PROGRAMMES, 'apart_hold = "R-CONFLICT-PIN-PCM"', 'apart_hold = "R-TIME-MIN"', ["apart_hold", "R-TIME-MIN"]),
    (PROGRAMMES, 'same_condition_hold = "R-PIN-SAME-CONDITION"', 'same_condition_hold = "R-X"', ["R-X"]),
    (
        PROGRAMMES,
        'initiating_visits = ["initiating-visit-pin"]',
        'initiating_visits = ["visits"]',
        ["pin", "initiating_visits", "visits"],
    ),
    (PROGRAMMES, '"community-health-worker"]', '"volunteer"]', ["roles", "volunteer"]),
    (PROGRAMMES, "consent_max_age_months = 12", "consent_max_age_months = 0", ["consent_max_age_months", "0"]),
    (PROGRAMMES, '"office-only"', '"ofice-only"', ["pin", "ofice-only", "office-only"]),
    (PROGRAMMES, 'kind = "hospital-department"', 'kind = "rural-health-clinic"', ["rural-health-clinic", "twice"]),
    (PROGRAMMES, 'kind = "hospital-department"', 'kind = "ward"', ["kind", "ward"]),
    (PROGRAMMES, 'general_code = "G0511"\n', "", ["general_code", "name the code"]),
    (PROGRAMMES, "general_code_to = 2025-09-30", "general_code_to = 2017-09-30", ["general_code_to", "2018-01-01"]),
    (
        CONFLICTS,
        'same_condition = true\nother = "nothing"',
        'same_condition = true\nother = "hold"',
        ["interprofessional-consult", "R-CONFLICT-CONSULT-PCM"],
    ),
    (CONFLICTS, 'reason = "R-CONFLICT-PIN-PCM"', 'reason = "R-CONFLICT-PIN"', ["pin", "R-CONFLICT-PIN"]),
    ("payers/medicare-advantage.toml", '["medicare"]', '["medicaid"]', ["instead_of", "medicaid"]),
    ("payers/medicare-advantage.toml", '["medicare"]', '["medicare-advantage"]', ["instead_of"]),
]


@pytest.mark.parametrize(("file", "old", "new", "said"), MISTAKES, ids=[m[2] or m[1] + " left out" for m in MISTAKES])
def test_a_mistake_is_refused_by_name(folder: Path, file: str, old: str, new: str, said: list[str]) -> None:
    message = changed(folder, file, old, new)
    assert file.rpartition("/")[2] in message
    assert [part for part in said if part not in message] == []
