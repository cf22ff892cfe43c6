"""Every resource that leaves this room passes here: the R4 model of `fhir.resources`, then our bindings.

The model checks and is thrown away. It would drop trailing zeros of amounts (60.50 becomes 60.5), so what goes
on the wire is always our own dict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from caretally.billing.bindings import check_bindings
from caretally.billing.errors import BillingError

if TYPE_CHECKING:
    from pydantic import BaseModel


def model_of(kind: str) -> type[BaseModel]:
    """Return the R4B model of a resource type that we write.

    The import costs half a second, so it waits until something is written: a run without changes, and
    ``--help``, never pay for it.

    Raises:
        BillingError: we do not write resources of this type.
    """
    # The submodules are imported one by one for the same reason.
    if kind == "Claim":
        from fhir.resources.R4B.claim import Claim  # noqa: PLC0415 -- see above

        return Claim  # type: ignore[no-any-return, unused-ignore]
    if kind == "ChargeItem":
        from fhir.resources.R4B.chargeitem import ChargeItem  # noqa: PLC0415 -- see above

        return ChargeItem  # type: ignore[no-any-return, unused-ignore]
    if kind == "Provenance":
        from fhir.resources.R4B.provenance import Provenance  # noqa: PLC0415 -- see above

        return Provenance  # type: ignore[no-any-return, unused-ignore]
    raise BillingError("this resource type is not one that billing writes; wanted Claim, ChargeItem or Provenance")


def validate(resource: dict[str, Any]) -> None:
    """Check a resource against the R4 model and the required bindings.

    Raises:
        BillingError: names resource and element, never a value.
    """
    kind = str(resource.get("resourceType"))
    model = model_of(kind)
    try:
        model.model_validate(resource)
    except ValidationError as error:
        found = error.errors(include_input=False, include_context=False, include_url=False)[0]
        element = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"])
        raise BillingError(f"not valid FHIR R4 ({found['type']})", where=f"{kind}{element}") from None
    check_bindings(resource)
