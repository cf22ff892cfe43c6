"""Payer policies of mappings/payers: which coverage they are for, and the switches they set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

from caretally.errors import TableError
from caretally.facts.policy import PayerClaimForm, PayerMatch, PayerPolicy, Policy, Switches
from caretally.tables.locate import display_name
from caretally.tables.reading import Strict, checked, form, nearest, read_toml, refusal, spoken_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEFAULT_PAYER = "medicare"

SystemAndCode = Annotated[str, form(r"^[^|\s]+\|[^|\s]+$", "system|code, for example https://nahdo.org/sopt|121")]
"""``system|code``."""


class MatchTable(Strict):
    """Which Coverage a payer policy is for."""

    coverage_types: list[SystemAndCode] = Field(default_factory=list)
    payor_identifiers: list[SystemAndCode] = Field(default_factory=list)
    payors: list[str] = Field(default_factory=list)

    def to_match(self) -> PayerMatch:
        """Return the facts' form."""
        return PayerMatch(
            coverage_types=frozenset(self.coverage_types),
            payor_identifiers=frozenset(self.payor_identifiers),
            payors=frozenset(self.payors),
        )


class PayerClaimTable(Strict):
    """[claim] of a payer: what it wants on a claim beside what the record says."""

    payer_id: Annotated[str, form(r"^[A-Za-z0-9]{2,20}$", "the payer's identifier: letters and digits")] | None = None
    """Identifier by which the clearinghouse knows the payer; without it that of the payer's Organization."""
    payer_name: Annotated[str, Field(min_length=1)] | None = None
    filing_indicator: Annotated[str, form(r"^[A-Z0-9]{2}$", "a claim filing indicator code such as MB")] | None = None
    member_id: Literal["mbi", "any"] | None = None
    """``mbi``: the member's number must be a Medicare Beneficiary Identifier."""

    def over(self, base: PayerClaimForm) -> PayerClaimForm:
        """Return the facts' form: these values, and those of `base` where this table is silent."""
        said = {name: value for name, value in self.model_dump().items() if value is not None}
        return replace(base, **said)


class PayerFile(Strict):
    """mappings/payers/NAME.toml."""

    name: Annotated[str, Field(min_length=1)]
    title: Annotated[str, Field(min_length=1)]
    sources: list[str] = Field(default_factory=list)
    instead_of: list[str] = Field(default_factory=list)
    match: MatchTable = MatchTable()
    claim: PayerClaimTable = PayerClaimTable()
    policy: dict[str, Any] = Field(default_factory=dict)


def read_payers(
    shipped: Sequence[Path],
    extra: Sequence[Path],
    *,
    add_ons: frozenset[str],
    default: str | None = DEFAULT_PAYER,
) -> dict[str, PayerPolicy]:
    """Read and check all payer policies.

    Args:
        shipped: the files of mappings/payers.
        extra: a site's files; one with the name of a shipped payer takes its place.
        add_ons: codes that `caps` may name.
        default: the payer that must be among them; None for no such demand.

    Returns:
        Payers in the order in which a coverage is compared with them: those that name single payors first.

    Raises:
        TableError: a file is wrong, two have one name, or two claim the same coverage.
    """
    payers: dict[str, PayerPolicy] = {}
    for group in (shipped, extra):
        seen: dict[str, str] = {}
        for path in group:
            payer, file = _read_payer(path, add_ons)
            if payer.name in seen:
                raise TableError(f"'{payer.name}' is also defined by {seen[payer.name]}; keep one", file=file)
            seen[payer.name] = file
            payers[payer.name] = payer
    if default is not None and default not in payers:
        raise TableError(f"no payer '{default}'; it is the default for coverage that no payer matches")
    return ordered(payers)


def ordered(payers: Mapping[str, PayerPolicy]) -> dict[str, PayerPolicy]:
    """Return the payers in the order of comparison; refuse two that claim the same coverage.

    Raises:
        TableError: one coverage type, payor identifier or payor stands in two payers.
    """
    owners: dict[str, str] = {}
    for payer in payers.values():
        match = payer.match
        for token in sorted((*match.coverage_types, *match.payor_identifiers, *match.payors)):
            if token in owners:
                raise TableError(
                    f"'{token}' is matched by payer '{owners[token]}' and by payer '{payer.name}'; remove it from one",
                    file=payer.switches.source,
                )
            owners[token] = payer.name

    for payer in payers.values():
        for name in payer.instead_of:
            if name not in payers or name == payer.name:
                raise TableError(
                    f"unknown payer '{name}'{nearest(name, payers)}", file=payer.switches.source, where="instead_of"
                )

    def general(payer: PayerPolicy) -> tuple[bool, bool]:
        single = bool(payer.match.payor_identifiers or payer.match.payors)
        return (not single, payer.name == DEFAULT_PAYER)

    return {payer.name: payer for payer in sorted(payers.values(), key=general)}


def _read_payer(path: Path, add_ons: frozenset[str]) -> tuple[PayerPolicy, str]:
    file = display_name(path)
    table = checked(PayerFile, read_toml(path), path)
    if table.name != path.stem:
        raise TableError(f"found '{table.name}', but the file is named {path.name}", file=file, where="name")
    switches = checked_switches(table.policy, file=path, place=("policy",), add_ons=add_ons)
    return (
        PayerPolicy(
            name=table.name,
            title=table.title,
            switches=Switches(source=file, values=switches),
            match=table.match.to_match(),
            sources=tuple(table.sources),
            claim=table.claim.over(PayerClaimForm()),
            instead_of=tuple(table.instead_of),
        ),
        file,
    )


def checked_switches(
    nested: Mapping[str, Any], *, file: Path | str, place: tuple[str, ...], add_ons: frozenset[str]
) -> dict[str, Any]:
    """Check a table of policy switches and return it flat: dotted name to value.

    Args:
        nested: the table.
        file: the file that it stands in, or another name of where it comes from.
        place: names of the table inside the file.
        add_ons: codes that `caps` may name.

    Raises:
        TableError: an unknown switch, a value that no switch has, a cap for a code that is no add-on.
    """
    path = Path(file)
    try:
        Policy.model_validate(dict(nested))
    except ValidationError as problem:
        raise refusal(problem, Policy, path, below=place) from None
    for code in nested.get("caps", {}):
        if code not in add_ons:
            raise TableError(
                f"{code} is no add-on code of any family{nearest(code, add_ons)}",
                file=display_name(path),
                where=spoken_place((*place, "caps", code)),
            )
    return dict(flat(nested))


def flat(nested: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield dotted names and values of a nested table."""
    for key, value in nested.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
