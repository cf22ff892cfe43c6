"""What billing cannot do, said so that a person can act on it; never with patient data."""

from __future__ import annotations

from typing import ClassVar

from caretally.errors import CaretallyError


class BillingError(CaretallyError):
    """A resource cannot be built: a fault of ours, or a fact that is missing.

    Args:
        message: what was found and what was wanted.
        where: resource and element, for example ``Claim.insurance[0].coverage``.
    """

    def __init__(self, message: str, *, where: str | None = None) -> None:
        self.where = where
        super().__init__(f"{where}: {message}" if where else message)


class ApprovalRefusedError(BillingError):
    """A person asked for a step that the claim on file does not allow; nothing was changed."""

    exit_code: ClassVar[int] = 2
