"""Constants of a view: each one value, of one FHIR type, for ``%name`` in its expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.mapping.view.fhirpath.compiler import RESERVED_NAMES
from caretally.mapping.view.fhirpath.fhir_types import PRIMITIVE_TYPES, choice_key, type_test
from caretally.mapping.view.fhirpath.values import describe
from caretally.mapping.view.reader import NAME, Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES = {choice_key("value", name): name for name in PRIMITIVE_TYPES if name not in ("markdown", "xhtml")}


def read_constants(reader: Reader, view: Mapping[str, Any]) -> Mapping[str, tuple[Any, str]]:
    """Return value and FHIR type of each constant by its name.

    Raises:
        ViewError: a constant without a proper name, without exactly one value, or defined twice.
    """
    constants: dict[str, tuple[Any, str]] = {}
    for place, part in reader.objects(view, "constant", ""):
        reader.only_keys(part, place, ("name", *_TYPES))
        name = part.get("name")
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            raise reader.error(
                f"{place}.name", f"found {name!r}, wanted a name of letters, digits and _ that begins with a letter"
            )
        if name in RESERVED_NAMES or name in constants:
            why = "which FHIRPath or the view engine defines" if name in RESERVED_NAMES else "a second time"
            raise reader.error(f"{place}.name", f"found {name!r}, {why}; wanted another name")
        constants[name] = _value(reader, part, place)
    return constants


def _value(reader: Reader, part: Mapping[str, Any], place: str) -> tuple[Any, str]:
    keys = [key for key in part if key in _TYPES]
    if len(keys) != 1:
        found = " and ".join(keys) or "no value"
        raise reader.error(place, f"found {found}, wanted exactly one value such as valueString or valueInteger")
    key = keys[0]
    value, kind = part[key], _TYPES[key]
    if not type_test(kind)(value):
        raise reader.error(f"{place}.{key}", f"found {describe(value)}, wanted a {kind}")
    return value, kind
