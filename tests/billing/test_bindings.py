"""Our tables against what the library knows of R4, and against what we write."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from caretally.billing import BillingError, desired
from caretally.billing.bindings import REFERENCE_TYPES, REQUIRED_CODES, check_bindings, check_own_id, reference_type
from caretally.billing.validate import model_of, validate
from tests.billing.samples import CONTEXT, billable


def field(path: str) -> Any:
    """The library's field at an element path."""
    kind, *elements = path.split(".")
    model: Any = model_of(kind)
    found = None
    for element in elements:
        found = next(info for name, info in model.model_fields.items() if element in {name, info.alias})
        model = _model(found.annotation)
    return found


def _model(annotation: Any) -> Any:
    for part in (annotation, *get_args(annotation)):
        if hasattr(part, "model_fields"):
            return part
        for inner in get_args(part):
            found = _model(inner)
            if found is not None:
                return found
        resolved = getattr(part, "get_model_klass", None)
        if resolved is not None:
            return resolved()
    return None


@pytest.mark.parametrize("path", [p for p in REQUIRED_CODES if not p.endswith("currency")])
def test_codes_are_those_of_r4(path: str) -> None:
    assert set(field(path).json_schema_extra["enum_values"]) == REQUIRED_CODES[path]


@pytest.mark.parametrize("path", REFERENCE_TYPES)
def test_references_are_those_of_r4(path: str) -> None:
    assert set(field(path).json_schema_extra["enum_reference_types"]) == REFERENCE_TYPES[path]


def written() -> tuple[dict[str, Any], ...]:
    found = desired(billable(), CONTEXT)
    assert found.provenance is not None
    return (*found.resources, found.provenance)


def paths(path: str, value: Any) -> set[str]:
    if isinstance(value, list):
        return {found for item in value for found in paths(path, item)}
    if not isinstance(value, dict):
        return set()
    own = {path} if isinstance(value.get("reference"), str) else set()
    return own | {found for key, item in value.items() for found in paths(f"{path}.{key}", item)}


def test_every_reference_that_we_write_is_checked_or_open() -> None:
    """Targets of any type are open; everything else stands in the table."""
    found = {path for resource in written() for path in paths(resource["resourceType"], resource)}
    for path in found - set(REFERENCE_TYPES):
        assert field(path).json_schema_extra["enum_reference_types"] == ["Resource"], path


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"status": "nonsense"}, r"Claim\.status"),
        ({"use": "gift"}, r"Claim\.use"),
        ({"total": {"value": 1, "currency": "EUR"}}, r"Claim\.total\.currency"),
        ({"patient": {"reference": "Practitioner/1"}}, r"Claim\.patient"),
        ({"patient": {"reference": "nobody"}}, r"Claim\.patient"),
    ],
)
def test_what_the_library_lets_through_is_refused(change: dict[str, Any], where: str) -> None:
    claim = next(r for r in written() if r["resourceType"] == "Claim") | change
    model_of("Claim").model_validate(claim)
    with pytest.raises(BillingError, match=where):
        validate(claim)


def test_all_that_we_write_passes() -> None:
    for resource in written():
        check_bindings(resource)
        check_own_id(resource)


@pytest.mark.parametrize("identity", ["1abc", "", "a" * 65, "a_b"])
def test_ids_that_servers_refuse(identity: str) -> None:
    with pytest.raises(BillingError, match=r"Claim\.id"):
        check_own_id({"resourceType": "Claim", "id": identity})


def test_only_our_resource_types_are_written() -> None:
    with pytest.raises(BillingError, match="Claim, ChargeItem or Provenance"):
        validate({"resourceType": "Patient"})


def test_targets_of_references() -> None:
    assert reference_type("Patient/1") == "Patient"
    assert reference_type("https://fhir.example/r4/Patient/1/_history/2") == "Patient"
    assert reference_type("jdoe") is None
