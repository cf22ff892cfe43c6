"""Which Conditions a server's patients may qualify by, as far as one resource tells; the rules judge later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.facts.codes import CANONICAL, ICD10CM, Coding
from caretally.mapping.values import as_coding

if TYPE_CHECKING:
    from caretally.facts.codes import Terminology

EXPECTED_DURATION = f"{CANONICAL}/StructureDefinition/expected-duration"


def may_qualify(condition: dict[str, Any], terminology: Terminology) -> bool:
    """Whether a Condition is on the chronic list, directly or by the map, or has a documented duration.

    ICD-10-CM sets are told by the beginning of a code, which no search offers dependably; so it is looked at here.
    """
    code = condition.get("code")
    items = code.get("coding") if isinstance(code, dict) else None
    codings = [
        coding
        for one in (items if isinstance(items, list) else ())
        if isinstance(one, dict) and (coding := as_coding(one)) is not None
    ]
    mapped = terminology.map("snomed-to-icd10cm").target(codings)
    if mapped is not None:
        codings.append(Coding(ICD10CM, mapped))
    if terminology.set("never-chronic").first(codings) is not None:
        return False
    if terminology.set("chronic-conditions").first(codings) is not None:
        return True
    extensions = condition.get("extension")
    return any(
        isinstance(one, dict) and one.get("url") == EXPECTED_DURATION
        for one in (extensions if isinstance(extensions, list) else ())
    )
