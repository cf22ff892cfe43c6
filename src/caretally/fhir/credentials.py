"""What is put into the Authorization header, and what happens when the server refuses it.

Other ways to obtain a token implement `Credentials`; the transport needs no change.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Protocol

from caretally.fhir.settings import BasicAuthentication, BearerAuthentication, ServerSettings, SmartAuthentication


class Credentials(Protocol):
    """Gives the Authorization header for the configured origin; used by several threads at once."""

    def authorization(self) -> str | None:
        """Give the header's value, None for no header."""

    def close(self) -> None:
        """Close what was opened."""

    def renew(self, refused: str | None) -> bool:
        """Obtain fresh credentials after a 401; tell whether a second try makes sense.

        Args:
            refused: the header that the server did not accept; when it is no longer the current one, another
                thread has already renewed it.
        """


@dataclass(frozen=True, slots=True)
class FixedCredentials:
    """Credentials that never change."""

    header: str | None = field(repr=False)

    def authorization(self) -> str | None:
        """Give the header's value."""
        return self.header

    def close(self) -> None:
        """There is nothing to close."""

    def renew(self, refused: str | None) -> bool:  # noqa: ARG002  # the protocol's parameter
        """There is nothing fresher."""
        return False


def credentials_for(settings: ServerSettings) -> Credentials:
    """Make the credentials that the settings describe.

    Raises:
        ConfigurationError: a private key cannot be used.
    """
    auth = settings.auth
    if isinstance(auth, SmartAuthentication):
        # Brings the cryptography along, which other runs need not load.
        from caretally.fhir.smart import SmartCredentials  # noqa: PLC0415

        return SmartCredentials(settings, auth)
    if isinstance(auth, BearerAuthentication):
        return FixedCredentials(f"Bearer {auth.token}")
    if isinstance(auth, BasicAuthentication):
        pair = base64.b64encode(f"{auth.user}:{auth.password}".encode()).decode()
        return FixedCredentials(f"Basic {pair}")
    return FixedCredentials(None)
