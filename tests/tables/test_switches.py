"""Every switch is described, every value refused that it cannot have, wherever it is set; the page says what is so."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import caretally
from caretally.errors import ConfigurationError, TableError
from caretally.facts.policy import Policy
from caretally.facts.practice import Site
from caretally.tables import effective_switches, load_configuration, load_tables, policy_book
from caretally.tables.switches import policy_switches

if TYPE_CHECKING:
    from caretally.tables import Tables

ROOT = Path(caretally.__file__).parents[2]
SWITCHES = {name: (options, default) for name, options, default in policy_switches(Policy)}
OUT_OF_RANGE = {
    "zone": '"Mars/Olympus"',
    "close_grace_days": "61",
    "caps": "{ 99490 = 2 }",
    "consent_max_age_months": "0",
    "initiating_visit.lookback_years": "6",
    "max_entry_minutes": "1441",
    "timely_filing_months": "37",
}
"""For switches whose values cannot be listed, one just outside."""
IN_RANGE = {
    "zone": '"America/Denver"',
    "close_grace_days": "60",
    "caps": "{ 99439 = 99 }",
    "consent_max_age_months": "120",
    "initiating_visit.lookback_years": "5",
    "max_entry_minutes": "1440",
    "timely_filing_months": "36",
}


def wrong(name: str) -> str:
    """A value that a switch cannot have, as TOML."""
    options, _ = SWITCHES[name]
    return OUT_OF_RANGE[name] if not options else '"yes"' if options == ("true", "false") else '"nonsense"'


def right(name: str) -> list[tuple[str, Any]]:
    """Every value of a switch as TOML, and as it is read."""
    options, _ = SWITCHES[name]
    if not options:
        text = IN_RANGE[name]
        return [(text, {"99439": 99} if name == "caps" else int(text) if text.isdigit() else text.strip('"'))]
    if options == ("true", "false"):
        return [("true", True), ("false", False)]
    return [(f'"{value}"', value) for value in options]


def toml(table: str, name: str, value: str) -> str:
    """A switch set in a table."""
    *below, key = name.split(".")
    return f"[{'.'.join((table, *below))}]\n{key} = {value}\n"


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("table", ["policy", "site.main.policy", "payer.medicare.policy"])
def test_a_value_out_of_range_is_refused_wherever_it_is_set(
    tables: Tables, tmp_path: Path, table: str, name: str
) -> None:
    path = tmp_path / "caretally.toml"
    path.write_text(toml(table, name, wrong(name)))
    with pytest.raises(ConfigurationError) as caught:
        policy_book(tables, load_configuration(path, environment={}))
    assert caught.value.exit_code == 3
    told = str(caught.value)
    assert str(path) in told
    assert name.rpartition(".")[2] in told
    assert table.partition(".")[0] in told
    wanted = ("wanted", "is not an IANA time zone", "is no add-on code")
    assert any(part in told for part in wanted)


@pytest.mark.parametrize("name", SWITCHES)
def test_every_value_can_be_set_for_a_payer_the_practice_and_a_site_and_the_last_one_wins(
    tables: Tables, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "caretally.toml"
    for text, value in right(name):
        for layers, origin in (
            (("payer.medicare.policy",), f"{path} [payer.medicare.policy]"),
            (("payer.medicare.policy", "policy"), f"{path} [policy]"),
            (("payer.medicare.policy", "policy", "site.main.policy"), f"{path} [site.main.policy]"),
        ):
            path.write_text("".join(toml(table, name, text) for table in layers))
            book = policy_book(tables, load_configuration(path, environment={}))
            found = {
                row.name: (row.value, row.origin) for row in effective_switches(book, "medicare", Site(name="main"))
            }
            if name == "caps":
                assert found["caps.99439"] == (99, origin)
            else:
                assert found[name] == (value, origin)


def test_a_flag_wins_over_everything(tables: Tables, tmp_path: Path) -> None:
    path = tmp_path / "caretally.toml"
    path.write_text(toml("site.main.policy", "hospice", '"warn"') + toml("policy", "hospice", '"hold"'))
    book = policy_book(tables, load_configuration(path, environment={}), {"hospice": "block"})
    (found,) = [row for row in effective_switches(book, "medicare", Site(name="main")) if row.name == "hospice"]
    assert (found.value, found.origin) == ("block", "flag")


def test_every_switch_is_described_with_all_its_values(tables: Tables) -> None:
    assert set(tables.switches) == set(SWITCHES)
    for name, text in tables.switches.items():
        assert set(text.values) == set(SWITCHES[name][0])
        assert text.default == SWITCHES[name][1]
        assert text.effect
        assert text.source


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ('name = "dos"', 'name = "doss"', ['switch "doss"', "no such switch; did you mean dos?"]),
        ('name = "rounding"', 'name = "dos"', ['switch "dos"', "stands there twice"]),
        (
            'with_last = "every',
            'with_lst = "every',
            ['switch "dos"', "has no value 'with_lst'; did you mean with_last?"],
        ),
        ('month_end = "the last day of', '# "the last day of', ['switch "dos"', "no words for its value month_end"]),
        ('wanted = "0 to 60"\n', "", ['switch "close_grace_days"', "wanted is missing"]),
        ('effect = "Date of service', 'efect = "Date of service', ['switch[3] "dos", efect', "did you mean effect?"]),
    ],
)
def test_words_that_do_not_fit_are_refused(folder: Path, old: str, new: str, wanted: list[str]) -> None:
    path = folder / "switches.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(TableError) as caught:
        load_tables(root=folder)
    for part in wanted:
        assert part in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_switch_without_words_is_refused(folder: Path) -> None:
    path = folder / "switches.toml"
    text = path.read_text()
    start = text.index('[[switch]]\nname = "hospice"')
    path.write_text(text[:start] + text[text.index("[[switch]]", start + 5) :])
    with pytest.raises(TableError, match="no row for hospice; a switch must be described"):
        load_tables(root=folder)


def test_the_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_switches", ROOT / "scripts" / "make_switches.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run scripts/make_switches.py"
