"""Default, payer, practice, site, flag: in this order, each switch with its origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from caretally.errors import ConfigurationError
from caretally.facts.clinical import CoverageFact
from caretally.facts.codes import Coding
from caretally.facts.policy import Policy
from caretally.facts.practice import Site
from caretally.tables import effective_switches, load_configuration, policy_book, sites

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caretally.tables import Configuration, EffectiveSwitch, Tables

SOPT = "https://nahdo.org/sopt"


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Configuration]:
    def read(text: str, **environment: str) -> Configuration:
        path = tmp_path / "caretally.toml"
        path.write_text(text)
        return load_configuration(path, environment=environment)

    return read


def coverage(*codings: Coding, identifiers: tuple[Coding, ...] = (), payor: str | None = None) -> CoverageFact:
    return CoverageFact(
        reference="Coverage/c",
        status="active",
        start=None,
        end=None,
        type_codes=codings,
        payor_identifiers=identifiers,
        payor=payor,
    )


def named(rows: list[EffectiveSwitch]) -> dict[str, tuple[Any, str]]:
    return {row.name: (row.value, row.origin) for row in rows}


def test_every_layer_has_its_say(tables: Tables, configured: Callable[..., Configuration]) -> None:
    found = configured(
        """
        [policy]
        dos = "with_last"
        hospice = "warn"
        rounding = "floor_entry"
        [site.main]
        zone = "America/Denver"
        [site.main.policy]
        hospice = "block"
        rounding = "floor_total"
        [payer.medicare.policy]
        close_grace_days = 7
        dos = "last_entry"
        """,
        CARETALLY_POLICY__PCM_BHI="allow",
    )
    book = policy_book(tables, found, {"rounding": "none", "max_entry_minutes": "60"})
    rows = named(effective_switches(book, "medicare", sites(found)[0]))
    file = str(found.file)
    assert rows["close_grace_days"] == (7, f"{file} [payer.medicare.policy]")
    assert rows["dos"] == ("with_last", f"{file} [policy]")
    assert rows["hospice"] == ("block", f"{file} [site.main.policy]")
    assert rows["rounding"] == ("none", "flag")
    assert rows["max_entry_minutes"] == (60, "flag")
    assert rows["pcm_bhi"] == ("allow", "environment CARETALLY_POLICY__PCM_BHI")
    assert rows["consent_form"] == ("any", "mappings/payers/medicare.toml")
    assert rows["zone"] == ("America/Denver", "site.main")
    other = named(effective_switches(book, "medicare", Site(name="other")))
    assert other["hospice"] == ("warn", f"{file} [policy]")


def test_every_switch_is_shown(tables: Tables, configured: Callable[..., Configuration]) -> None:
    rows = named(effective_switches(policy_book(tables, configured("")), "medicaid-example", Site(name="x")))
    assert {name.split(".")[0] for name in rows} == set(Policy.model_fields) - {"caps"}
    assert rows["tcm_concurrency"] == ("allow", "default")
    assert rows["dos"] == ("month_end", "mappings/payers/medicaid-example.toml")


@pytest.mark.parametrize(
    ("fact", "payer", "known"),
    [
        (coverage(Coding(SOPT, "121")), "medicare", True),
        (coverage(Coding(SOPT, "111")), "medicare-advantage", True),
        (coverage(Coding(SOPT, "512")), "medicare", False),
        (
            coverage(
                Coding(SOPT, "121"),
                identifiers=(Coding("https://caretally.example/fhir/payer", "noridian-strict"),),
            ),
            "noridian-strict",
            True,
        ),
        (coverage(payor="Organization/acme"), "acme", True),
        (None, "medicare", False),
    ],
)
def test_the_coverage_chooses_the_payer(
    tables: Tables,
    configured: Callable[..., Configuration],
    fact: CoverageFact | None,
    payer: str,
    known: bool,
) -> None:
    found = configured('[payer.acme.match]\npayors = ["Organization/acme"]\n')
    effective = policy_book(tables, found).effective(fact, Site(name="x"))
    assert (effective.payer, effective.payer_known) == (payer, known)


def test_a_payer_may_have_a_file_of_its_own(
    tmp_path: Path, tables: Tables, configured: Callable[..., Configuration]
) -> None:
    (tmp_path / "acme.toml").write_text(
        'name = "acme"\ntitle = "Acme"\n[match]\npayors = ["Organization/acme"]\n[policy]\ndos = "with_last"\n'
    )
    found = configured('[payer.acme]\nfile = "acme.toml"\n[payer.acme.policy]\nhospice = "block"\n')
    rows = named(effective_switches(policy_book(tables, found), "acme", Site(name="x")))
    assert rows["dos"] == ("with_last", str(tmp_path / "acme.toml"))
    assert rows["hospice"] == ("block", f"{found.file} [payer.acme.policy]")


@pytest.mark.parametrize(
    ("text", "flags", "part"),
    [
        ("", {"dos": "x"}, "flag, dos: found 'x', wanted one of threshold"),
        ("", {"doss": "x"}, "flag, doss: unknown key; did you mean dos?"),
        ("", {"caps.99490": 1}, "99490 is no add-on code"),
        ("[site.a.policy.caps]\n99490 = 1", {}, "site.a.policy.caps.99490"),
        ('[payer.x.match]\ncoverage_types = ["https://nahdo.org/sopt|121"]', {}, "is matched by payer"),
        ('[payer.x]\nfile = "x.toml"', {}, "cannot be read"),
    ],
)
def test_what_does_not_fit_is_named(
    tables: Tables, configured: Callable[..., Configuration], text: str, flags: dict[str, Any], part: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        policy_book(tables, configured(text), flags)
    assert part in str(caught.value)
