"""Reading the bytes of a resource exactly and fast, and finding whose it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from caretally.facts import exact_json
from caretally.mapping.references import target_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.facts.resource_types import ResourceType

# A number with a fraction or exponent, where JSON can have one; a hit inside a text only costs time.
_FRACTION = re.compile(rb"[:,\[]\s*-?\d+[.eE]")


def read_body(body: bytes) -> Any:
    """Read JSON; numbers with a fraction become Decimals with each digit, as in `exact_json.loads`.

    Raises:
        ValueError: not JSON.
    """
    return exact_json.loads(body) if _FRACTION.search(body) else orjson.loads(body)


def write_body(resource: Mapping[str, Any]) -> bytes:
    """Write a resource that `read_body` gave, digit for digit."""
    return exact_json.rewrite(resource)


def own_id(resource: Mapping[str, Any]) -> str | None:
    """Return the id of a resource; None when it has none that can be used."""
    found = resource.get("id")
    return found if isinstance(found, str) and found else None


def patient_of(resource: Mapping[str, Any], kind: ResourceType) -> str | None:
    """Return ``Patient/id`` of the patient that a resource is about; None when it names none.

    A Patient is about itself.
    """
    if kind.name == "Patient":
        return f"Patient/{resource['id']}"
    for element in kind.patient_elements:
        found = resource.get(element)
        # Nearly always one reference right there; everything else takes the long way.
        for reference in (found,) if isinstance(found, dict) else _references(resource, element.split(".")):
            target = target_of(reference)
            if target.type == "Patient" and target.key is not None:
                return target.key
    return None


def reference_text(resource: Mapping[str, Any], path: str) -> list[str]:
    """Return ``Type/id`` of everything that a path of elements refers to."""
    keys = (target_of(reference).key for reference in _references(resource, path.split(".")))
    return [key for key in keys if key is not None]


def _references(value: Any, path: list[str]) -> list[Mapping[str, Any]]:
    if isinstance(value, list):
        return [found for item in value for found in _references(item, path)]
    if not isinstance(value, dict):
        return []
    return _references(value.get(path[0]), path[1:]) if path else [value]
