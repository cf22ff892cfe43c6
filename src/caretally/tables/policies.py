"""The policies of a run: shipped payers, the practice's changes to them, sites and flags."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from caretally.facts.policy import PayerClaimForm, PayerPolicy, Policy, PolicyBook, Switches, put_switch
from caretally.tables.environment import coerced
from caretally.tables.loading import add_on_codes
from caretally.tables.payers import checked_switches, flat, ordered, read_payers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.facts.policy import PayerMatch
    from caretally.facts.practice import Site
    from caretally.tables.configuration import Configuration, PayerTable
    from caretally.tables.loading import Tables


@dataclass(frozen=True, slots=True)
class EffectiveSwitch:
    """One switch as it holds for a payer at a site."""

    name: str
    value: Any
    origin: str
    """``default``, or the file, table, variable or flag that set it."""


def policy_book(tables: Tables, configuration: Configuration, flags: Mapping[str, Any] | None = None) -> PolicyBook:
    """Put the switches of a run together.

    Args:
        tables: the shipped payers.
        configuration: ``[policy]``, ``[payer.NAME]`` and ``[site.NAME.policy]``.
        flags: dotted switch name to value; texts are read as the switch wants them.

    Raises:
        TableError: a switch is unknown or has a value that it cannot have, or two payers claim one coverage.
    """
    add_ons = add_on_codes(tables.services)
    payers = dict(tables.payers)
    for name, table in configuration.payer.items():
        payers[name] = _payer(name, table, payers.get(name), configuration=configuration, add_ons=add_ons)
    asked: dict[str, Any] = {}
    for name, value in flat(flags or {}):
        put_switch(asked, name, coerced(Policy, name.split("."), value) if isinstance(value, str) else value)
    return PolicyBook(
        payers=ordered(payers),
        practice=_layer(configuration, ("policy",), configuration.policy, add_ons),
        sites={
            name: _layer(configuration, ("site", name, "policy"), site.policy, add_ons)
            for name, site in configuration.site.items()
            if site.policy
        },
        flags=Switches(source="flag", values=checked_switches(asked, file="flag", place=(), add_ons=add_ons)),
    )


def _layer(
    configuration: Configuration,
    place: tuple[str, ...],
    switches: Mapping[str, Any],
    add_ons: frozenset[str],
) -> Switches:
    file = str(configuration.file) if configuration.file is not None else "configuration"
    values = checked_switches(switches, file=file, place=place, add_ons=add_ons)
    table = ".".join(place)
    sources = {name: _origin(configuration.origins.get(f"{table}.{name}", file), table) for name in values}
    return Switches(source=f"{file} [{table}]", values=values, sources=sources)


def _origin(origin: str, table: str) -> str:
    return origin if origin.startswith("environment ") else f"{origin} [{table}]"


def _payer(
    name: str,
    table: PayerTable,
    shipped: PayerPolicy | None,
    *,
    configuration: Configuration,
    add_ons: frozenset[str],
) -> PayerPolicy:
    base = shipped
    if table.file is not None:
        path = configuration.path(table.file)
        found = read_payers([path], [], add_ons=add_ons, default=None)
        base = next(iter(found.values()))
    own = _layer(configuration, ("payer", name, "policy"), table.policy, add_ons)
    match = table.match.to_match()
    if base is None:
        return PayerPolicy(
            name=name,
            title=table.title or name,
            switches=own,
            match=match,
            sources=tuple(table.sources),
            claim=table.claim.over(PayerClaimForm()),
        )
    switches = Switches(source=base.switches.source, values={**base.switches.values, **own.values}, sources=own.sources)
    return PayerPolicy(
        name=name,
        title=table.title or base.title,
        switches=switches,
        match=_joined(base.match, match),
        sources=(*base.sources, *table.sources),
        claim=table.claim.over(base.claim),
        instead_of=base.instead_of,
    )


def _joined(one: PayerMatch, other: PayerMatch) -> PayerMatch:
    return replace(
        one,
        coverage_types=one.coverage_types | other.coverage_types,
        payor_identifiers=one.payor_identifiers | other.payor_identifiers,
        payors=one.payors | other.payors,
    )


def effective_switches(book: PolicyBook, payer: str, site: Site) -> list[EffectiveSwitch]:
    """Return every switch with its value and origin, for a payer at a site.

    Raises:
        KeyError: no such payer.
    """
    effective = replace(book, default_payer=book.payers[payer].name).effective(None, site)
    return [
        EffectiveSwitch(name, value, effective.origins.get(name, "default"))
        for name, value in flat(effective.policy.model_dump())
    ]
