"""``caretally map show``: one file of resources through the views, and what they become."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caretally.billing import CLAIM_IDENTIFIER
from caretally.cli.configuration import read_configuration
from caretally.errors import SourceError
from caretally.facts.issue import Issue
from caretally.mapping import MappingContext, map_patient, map_practice
from caretally.mapping.view import RowError
from caretally.sync.deciding import PRACTICE_TYPES, default_policy
from caretally.sync.pulling import types_to_read
from caretally.sync.resources import own_id, patient_of
from caretally.sync.sources.files import Fault, Found, UnreadableFileError, read_file
from caretally.tables import policy_book, sites, tables_for
from caretally.tables.layers import layers_reading
from caretally.tables.locate import data_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caretally.cli.options import Settings
    from caretally.cli.output import Output
    from caretally.facts.resource_types import ResourceType
    from caretally.mapping import MappedPatient, MappedPractice
    from caretally.mapping.view import CompiledView

NOBODY = "Patient/example"


def show_mapping(settings: Settings, *, file: str, layers: Sequence[str]) -> None:
    """Show what becomes of the resources of a file.

    Raises:
        SourceError: the file cannot be read or holds no resource.
        ConfigurationError: a layer or view is wrong.
    """
    configuration = read_configuration(settings)
    if layers:
        chosen = configuration.mapping.model_copy(update={"use": [*configuration.mapping.use, *layers]})
        configuration = configuration.model_copy(update={"mapping": chosen})
    tables = tables_for(configuration)
    resources, faults = _resources(file)
    policy = default_policy(policy_book(tables, configuration), sites(configuration))
    practice = map_practice(
        [one for one in resources if one["resourceType"] in PRACTICE_TYPES],
        views=tables.views,
        terminology=tables.terminology,
        sites=sites(configuration),
        attestations=(),
    )
    context = MappingContext(
        views=tables.views,
        terminology=tables.terminology,
        zone=policy.time_zone,
        max_entry_minutes=policy.max_entry_minutes,
        practice=practice.practice,
        own_identifier_system=CLAIM_IDENTIFIER,
    )
    kinds = types_to_read(tables)
    by_patient: dict[str, list[dict[str, Any]]] = {}
    lost: list[Issue] = []
    for one in resources:
        kind = kinds.get(one["resourceType"])
        if kind is not None and one["resourceType"] not in PRACTICE_TYPES:
            about = patient_of(one, kind) if own_id(one) is not None else None
            by_patient.setdefault(about or NOBODY, []).append(one)
            if about is None and kind.patient_elements and own_id(one) is not None:
                lost.append(_no_patient(one, kind))
    mapped = [map_patient(patient, rows, context) for patient, rows in by_patient.items()]
    became: list[MappedPatient | MappedPractice] = [*mapped, practice]
    issues = [issue.to_json() for issue in (*lost, *(i for one in became for i in one.issues))]
    accounted = sum((Counter(one.accounted) for one in became), Counter[str]())
    document = {
        "resources": [_shown(one, tables.views, one["resourceType"] in kinds) for one in resources],
        "facts": [_facts(one.facts) for one in mapped],
        "accounted": dict(sorted(accounted.items())),
        "refused": issues,
        "unreadable": [{"place": fault.place, "found": fault.found, "wanted": fault.wanted} for fault in faults],
    }
    settings.output.document(document)
    _say(settings.output, document)


def _no_patient(resource: dict[str, Any], kind: ResourceType) -> Issue:
    """Return why a run would leave a resource out that is shown here all the same."""
    wanted = " or ".join(f"{kind.name}.{element} with a Patient" for element in kind.patient_elements)
    return Issue(f"{kind.name}/{own_id(resource)}", "", "no-patient", "no reference to a Patient", wanted, "warning")


def _resources(file: str) -> tuple[list[dict[str, Any]], list[Fault]]:
    path = Path(file).expanduser()
    if not path.is_file():
        raise SourceError(f"{file}: no such file; wanted is a resource, a Bundle or NDJSON")
    found: list[dict[str, Any]] = []
    faults: list[Fault] = []
    try:
        for item in read_file(path):
            if isinstance(item, Found):
                found.append(item.resource)
            elif isinstance(item, Fault):
                faults.append(item)
    except UnreadableFileError as error:
        raise SourceError(str(error)) from error
    if not found:
        said = f": {faults[0].found}" if faults else ""
        raise SourceError(f"{file} holds no FHIR resource{said}; wanted is JSON with a resourceType")
    return found, faults


def _shown(resource: dict[str, Any], views: Mapping[str, tuple[CompiledView, ...]], is_read: bool) -> dict[str, Any]:
    return {
        "resource": f"{resource['resourceType']}/{own_id(resource) or '(no id)'}",
        "read": is_read,
        "layers": [] if is_read else layers_reading(data_path("mappings"), resource["resourceType"]),
        "views": [
            {"view": name, **_rows(view, resource)}
            for name, group in sorted(views.items())
            for view in group
            if view.resource == resource["resourceType"]
        ],
    }


def _rows(view: CompiledView, resource: dict[str, Any]) -> dict[str, Any]:
    try:
        rows = list(view.rows(resource))
    except RowError as error:
        return {"rows": [], "error": f"{error.column}: {error.message}"}
    return {"rows": [{key: _plain(value) for key, value in row.items() if value not in (None, [])} for row in rows]}


def _facts(facts: Any) -> dict[str, Any]:
    """Return the facts that are there, by kind."""
    plain = {one.name: _plain(getattr(facts, one.name)) for one in fields(facts)}
    return {name: value for name, value in plain.items() if value not in (None, [], {}, ())}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        shown = {one.name: _plain(getattr(value, one.name)) for one in fields(value) if not one.name.startswith("_")}
        return {name: item for name, item in shown.items() if item not in (None, [], {})}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _say(output: Output, document: dict[str, Any]) -> None:
    for one in document["resources"]:
        known = f" (layers that do: {', '.join(one['layers'])})" if one["layers"] else ""
        output.text(one["resource"] + ("" if one["read"] else f": a type that no view reads{known}"))
        for view in one["views"]:
            output.text(f"  view {view['view']}: " + (view.get("error") or f"{len(view['rows'])} rows"))
            for row in view["rows"]:
                output.text("    " + ", ".join(f"{key} = {value}" for key, value in row.items()))
    for facts in document["facts"]:
        for kind, values in facts.items():
            for value in _each(values):
                output.text(f"fact {kind}: {value}")
    for fate, count in document["accounted"].items():
        output.text(f"accounted {fate}: {count}")
    for issue in document["refused"]:
        output.text(
            f"{issue['severity']} {issue['resource']} {issue['element']}: {issue['found']}; wanted {issue['wanted']}"
        )
    for fault in document["unreadable"]:
        output.text(f"error {fault['place']}: {fault['found']}; wanted {fault['wanted']}")


def _each(values: Any) -> Iterator[Any]:
    yield from values if isinstance(values, list) else [values]
