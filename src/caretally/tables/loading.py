"""All data of a run, read once, checked against each other, and named by one digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.errors import TableError
from caretally.facts.time_entry import RoleClass
from caretally.tables.claim_checks import read_claim_checks
from caretally.tables.layers import layer_names, read_layers
from caretally.tables.locate import data_path, display_name
from caretally.tables.payers import read_payers
from caretally.tables.reading import nearest
from caretally.tables.requirements import read_requirements
from caretally.tables.resource_types import read_resource_types
from caretally.tables.services import ServiceFiles, read_services
from caretally.tables.switches import read_switches
from caretally.tables.terminology import read_terminology
from caretally.tables.views import base_views, read_views

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from caretally.facts.claim_check import ClaimCheckTables
    from caretally.facts.codes import CodeMap, Terminology
    from caretally.facts.policy import PayerPolicy
    from caretally.facts.requirements import PracticeRequirement
    from caretally.facts.resource_types import ResourceType
    from caretally.facts.services import ServiceTables
    from caretally.mapping import CompiledView
    from caretally.tables.configuration import Configuration
    from caretally.tables.switches import SwitchText

CODE_SETS = (
    "activities-counted",
    "activities-not-counted",
    "activities-of-practitioners",
    "care-plan-category",
    "chronic-conditions",
    "consent-category",
    "coverage-medicaid",
    "emergency-class",
    "emergency-visit",
    "eom-cancers",
    "global-period-10",
    "global-period-90",
    "hospice",
    "initiating-visit",
    "initiating-visit-tcm",
    "initiating-visit-telehealth",
    "inpatient-class",
    "never-chronic",
    "no-known-allergy",
    "risk-outcome",
    "role-clinical-staff",
    "role-community-health-worker",
    "role-non-clinical",
    "role-practitioner",
    "same-day-em",
    "separately-billed",
)
"""Value sets that mapping and rules look things up in; the sets of conflicts are named in their table."""
CODE_MAPS = (
    "activity-local",
    "condition-groups",
    "programme",
    "risk-level",
    "role-local",
    "snomed-to-icd10cm",
    "visit-to-initiating",
)
"""Concept maps that the mapping looks things up in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Everything of mappings/, checked, with what a site added."""

    services: ServiceTables
    terminology: Terminology
    payers: Mapping[str, PayerPolicy]
    """In the order in which a coverage is compared with them."""
    views: Mapping[str, tuple[CompiledView, ...]]
    """By the name of the view: the base first, then each layer."""
    resource_types: tuple[ResourceType, ...]
    switches: Mapping[str, SwitchText]
    """What each switch of a payer's policy does."""
    claim_checks: ClaimCheckTables
    requirements: tuple[PracticeRequirement, ...]
    """What a practice vouches for itself."""
    version: str
    """SHA-256 over the names and contents of all files."""
    files: tuple[str, ...]
    """Names of all files, as the user knows them."""
    paths: tuple[Path, ...]
    """The same files, where they lie."""


def load_tables(
    *,
    root: Path | None = None,
    extra_payers: Sequence[Path] = (),
    extra_terminology: Sequence[Path] = (),
    extra_localities: Sequence[Path] = (),
    mapping_layers: Sequence[str] = (),
) -> Tables:
    """Read, check and put together all data files.

    Args:
        root: a folder laid out like mappings/; None for the shipped one.
        extra_payers: payer files of a site, or folders of them; one with a shipped name takes its place.
        extra_terminology: ValueSets and ConceptMaps of a site, or folders of them; one with a shipped name adds to it.
        extra_localities: geographic indices of a site, in the form of services/localities.toml.
        mapping_layers: names of layers (subfolders of views and terminology), or folders elsewhere.

    Raises:
        TableError: naming file, table, row and key, what was found and what is wanted.
    """
    root = root or data_path("mappings")
    services = ServiceFiles(
        years=sorted(root.glob("services/[0-9][0-9][0-9][0-9].toml")),
        programmes=root / "services" / "programmes.toml",
        conflicts=root / "services" / "conflicts.toml",
        reasons=root / "reasons.toml",
        localities=root / "services" / "localities.toml",
        checks=root / "pre-submission.toml",
        payments=root / "payments.toml",
        extra_localities=extra_localities,
    )
    layers = read_layers(root, mapping_layers)
    terminology_files = (
        sorted(root.glob("terminology/*.json")),
        *(layer.terminology for layer in layers),
        _files(extra_terminology, ".json"),
    )
    payer_files = sorted(root.glob("payers/*.toml")), _files(extra_payers, ".toml")
    views = [*base_views(root / "views"), *(path for layer in layers for path in layer.views)]
    resources, checks = root / "resources.toml", root / "claim-checks.toml"
    switches = root / "switches.toml"
    files = sorted(
        {
            *services.years,
            *(services.programmes, services.conflicts, services.reasons, services.localities, resources, checks),
            *(services.checks, services.payments, root / "practice-requirements.toml", switches),
            *services.extra_localities,
            *(path for group in (*terminology_files, *payer_files, views) for path in group),
        },
        key=display_name,
    )
    version = digest(files)
    compiled = read_views(views)
    service_tables = read_services(services, version=version)
    tables = Tables(
        services=service_tables,
        terminology=read_terminology(*terminology_files),
        payers=read_payers(*payer_files, add_ons=add_on_codes(service_tables)),
        views=compiled,
        resource_types=read_resource_types(resources, (view for group in compiled.values() for view in group)),
        claim_checks=read_claim_checks(checks, service_tables),
        requirements=read_requirements(root / "practice-requirements.toml"),
        switches=read_switches(switches),
        version=version,
        files=tuple(display_name(path) for path in files),
        paths=tuple(files),
    )
    _names_resolve(tables)
    return tables


def tables_for(configuration: Configuration) -> Tables:
    """Return the tables of a practice: the shipped files, and what ``[mapping]`` of its configuration adds.

    Raises:
        TableError: naming file, table, row and key.
    """
    mapping = configuration.mapping
    shipped = layer_names(data_path("mappings"))
    roles = [mapping.role_map] if mapping.role_map is not None else []
    return load_tables(
        extra_terminology=[configuration.path(name) for name in (*roles, *mapping.terminology)],
        extra_localities=[configuration.path(name) for name in mapping.localities],
        mapping_layers=[name if name in shipped else str(configuration.path(name)) for name in mapping.use],
    )


def add_on_codes(services: ServiceTables) -> frozenset[str]:
    """Return the codes that have a cap."""
    return frozenset(family.add_on for family in services.families.values() if family.add_on is not None)


def digest(files: Iterable[Path]) -> str:
    """Return the SHA-256 over names and contents of files.

    Raises:
        TableError: a file cannot be read.
    """
    total = hashlib.sha256()
    for path in files:
        name = display_name(path)
        try:
            content = path.read_bytes()
        except OSError as problem:
            raise TableError(f"cannot be read: {problem.strerror or problem}", file=name) from None
        for part in (name.encode(), content):
            total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def _files(paths: Sequence[Path], ending: str) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob(f"*{ending}")) if path.is_dir() else [path]
    return found


def _names_resolve(tables: Tables) -> None:
    """Refuse a name that one file uses and no other defines."""
    sets, maps = tables.terminology.sets, tables.terminology.maps
    for kind, names, known in (("ValueSet", CODE_SETS, sets), ("ConceptMap", CODE_MAPS, maps)):
        missing = [name for name in names if name not in known]
        if missing:
            raise TableError(f"no {kind} '{missing[0]}'; wanted {missing[0]}.json", file="mappings/terminology")
    for conflict in tables.services.conflicts:
        if conflict.code_set not in sets:
            raise TableError(
                f"unknown value set '{conflict.code_set}'{nearest(conflict.code_set, sets)}",
                file="mappings/services/conflicts.toml",
                where=f'conflict "{conflict.name}", code_set',
            )
    for programme in tables.services.programmes.values():
        for name in programme.initiating_visits:
            if name not in sets:
                raise TableError(
                    f"unknown value set '{name}'{nearest(name, sets)}",
                    file="mappings/services/programmes.toml",
                    where=f'programme "{programme.name}", initiating_visits',
                )
    _targets(maps["role-local"], [role.value for role in RoleClass if role is not RoleClass.UNKNOWN])
    _targets(maps["programme"], list(tables.services.programmes))


def _targets(code_map: CodeMap, known: Sequence[str]) -> None:
    for rule, target in code_map.rows:
        if target not in known:
            where = f"{rule.system}|{rule.code or rule.prefix or rule.pattern}"
            raise TableError(
                f"unknown target '{target}'{nearest(target, known)}", file=f"ConceptMap {code_map.name}", where=where
            )
