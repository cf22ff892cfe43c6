"""rules check and rules show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import CONFIG
from tests.cli.running import inside

if TYPE_CHECKING:
    from pathlib import Path


def test_check_counts_what_was_read() -> None:
    done = inside("rules", "check")
    assert done.code == 0
    assert "mappings/services/2025.toml" in done.out
    assert "no configuration given: no error" in done.out
    document = inside("rules", "check", "--json", "--config", CONFIG).json()
    assert document["sites"] == ["main"]
    assert "medicare" in document["payers"]
    assert len(document["version"]) == 64


def test_a_code_on_a_date() -> None:
    done = inside("rules", "show", "99439", "--on", "2025-01-31")
    assert done.code == 0
    assert "add-on to 99490 of ccm-staff" in done.out
    assert "earned at 40, 60 minutes in all" in done.out
    assert "$45.93" in done.out
    document = inside("rules", "show", "99439", "--on", "2025-01-31", "--json").json()
    assert document["amount_non_facility"] == "45.93"
    assert document["threshold_minutes"] == [40, 60]


def test_a_code_before_and_after_the_tables() -> None:
    done = inside("rules", "show", "99490", "--on", "2035-01-01")
    assert done.code == 0
    assert "no row for this date" in done.out
    assert "another row holds from 2025-01-01 to 2025-12-31" in done.out


def test_a_code_that_conflicts_is_explained() -> None:
    assert "conflict-esrd" in inside("rules", "show", "90961", "--on", "2025-01-01").out


def test_a_code_that_nobody_knows() -> None:
    done = inside("rules", "show", "XX999")
    assert done.code == 2
    assert "99490" in done.err


def test_switches_with_their_origin(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[policy]\nhospice = "block"\n[site.a]\n[site.a.policy]\nrounding = "floor_entry"\n')
    done = inside("rules", "show", "--config", file, "--json")
    by_payer = {(row["payer"], row["site"]): row["switches"] for row in done.json()}
    hospice = by_payer["medicare", "a"]["hospice"]
    assert (hospice["value"], hospice["origin"]) == ("block", f"{file} [policy]")
    assert hospice["effect"] == "A hospice election in the month"
    assert by_payer["medicare", "a"]["rounding"]["origin"] == f"{file} [site.a.policy]"
    assert by_payer["commercial-example", "a"]["dos"]["value"] == "with_last"
    text = inside("rules", "show", "--config", file, "--payer", "medicare", "--site", "a")
    assert "hospice" in text.out
    assert f"{file} [policy]" in text.out


@pytest.mark.parametrize(
    "words",
    [
        ["--payer", "nobody"],
        ["--site", "nowhere"],
        ["--on", "2025-01-01"],
        ["99490", "--payer", "medicare"],
        ["99490", "--on", "soon"],
    ],
)
def test_words_that_do_not_fit(words: list[str]) -> None:
    assert inside("rules", "show", *words).code == 2
