"""What differs between a resource on file and the one we want: for reading, and to tell what matters to a payer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caretally.billing.content import content

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVIDENCE = ("supportingInformation", "context")
_SAFE = frozenset(
    {
        "code",
        "currency",
        "definitionCanonical",
        "end",
        "occurrenceDateTime",
        "reference",
        "sequence",
        "servicedDate",
        "start",
        "system",
        "valueCode",
    }
)
"""Elements whose texts can be shown: codes, dates and references, never what a person typed."""


def same_content(on_file: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a resource on file says what is wanted.

    A charge on file whose evidence is all still counted is the same even when more time was counted since:
    further time that changes no line is no reason to write.
    """
    filed, desired = content(on_file), content(wanted)
    if filed == desired:
        return True
    if wanted.get("resourceType") != "ChargeItem":
        return False
    evidence = [reference["reference"] for reference in desired.get("supportingInformation", ())]
    cited = [filed["context"]] if "context" in filed else []
    cited += filed.get("supportingInformation", ())
    still_counted = all(isinstance(c, dict) and c.get("reference") in evidence for c in cited)
    return still_counted and _without(filed, _EVIDENCE) == _without(desired, _EVIDENCE)


def differences(on_file: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return a line for each element that differs, ``item[0].quantity.value: 1 -> 2``, without free text."""
    old, new = dict(_leaves("", content(on_file))), dict(_leaves("", content(wanted)))
    return [
        f"{path}: {_shown(path, old.get(path))} -> {_shown(path, new.get(path))}"
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    ]


def billing_differences(on_file: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return how what a payer was asked for differs: lines, place, coverage, or a diagnosis that no longer holds.

    Evidence, fees and settings that changed since the release are no reason to correct a claim.
    """
    found = []
    before, after = _lines(on_file), _lines(wanted)
    found += [f"line {' '.join(line)} is no longer backed" for line in before if line not in after]
    found += [f"line {' '.join(line)} is missing" for line in after if line not in before]
    lost = [code for code in _diagnoses(on_file) if code not in _diagnoses(wanted)]
    found += [f"diagnosis {code} is no longer backed" for code in lost]
    if wanted.get("resourceType") == "Claim" and _coverage(on_file) != _coverage(wanted):
        found.append("the Coverage differs")
    return found


def _lines(resource: dict[str, Any]) -> list[tuple[str, ...]]:
    plain = content(resource)
    if plain.get("resourceType") == "ChargeItem":
        return [(_code(plain.get("code")), _number(plain), str(plain.get("occurrenceDateTime"))[:10])]
    return sorted(
        (
            _code(item.get("productOrService")),
            _number(item),
            str(item.get("servicedDate") or _span(item.get("servicedPeriod"))),
            "POS " + _code(item.get("locationCodeableConcept")),
        )
        for item in plain.get("item", ())
    )


def _span(period: Any) -> str:
    return f"{period.get('start')} to {period.get('end')}" if isinstance(period, dict) else ""


def _number(item: dict[str, Any]) -> str:
    units = (item.get("quantity") or {}).get("value")
    return f"x{int(units)}" if units is not None and units == int(units) else f"x{units}"


def _code(concept: Any) -> str:
    codings = (concept or {}).get("coding") or [{}]
    return str(codings[0].get("code"))


def _diagnoses(resource: dict[str, Any]) -> list[str]:
    if resource.get("resourceType") == "ChargeItem":
        return [_code(reason) for reason in resource.get("reason") or ()]
    return [_code(row.get("diagnosisCodeableConcept")) for row in resource.get("diagnosis") or ()]


def _coverage(resource: dict[str, Any]) -> Any:
    rows = content(resource).get("insurance") or ()
    return next((row.get("coverage", {}).get("reference") for row in rows if row.get("focal")), None)


def _without(resource: dict[str, Any], elements: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key not in elements}


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{path}.{key}" if path else key, item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(f"{path}[{index}]", item)
    else:
        yield path, value


def _shown(path: str, value: Any) -> str:
    if value is None:
        return "nothing"
    if not isinstance(value, str) or path.rsplit(".", 1)[-1].split("[", 1)[0] in _SAFE:
        return str(value)
    return "(text)"
