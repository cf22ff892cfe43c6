"""The only room that speaks HTTP: one FHIR server, read and written with guards.

`FhirServer` is the door. fhirpy is imported only by `caretally.fhir.bridge`, which is loaded when asked for.
"""

from caretally.fhir.capability import Capabilities, WriteChoice, WriteStrategy
from caretally.fhir.reading import ReadResult
from caretally.fhir.searching import Page, SearchWarning, WarningKind
from caretally.fhir.server import FhirServer
from caretally.fhir.settings import (
    AuthSettings,
    BasicAuthentication,
    BearerAuthentication,
    NoAuthentication,
    RetrySettings,
    ServerSettings,
    SmartAuthentication,
)
from caretally.fhir.transport import Transport
from caretally.fhir.writing import EntryOutcome, WriteEntry

__all__ = [
    "AuthSettings",
    "BasicAuthentication",
    "BearerAuthentication",
    "Capabilities",
    "EntryOutcome",
    "FhirServer",
    "NoAuthentication",
    "Page",
    "ReadResult",
    "RetrySettings",
    "SearchWarning",
    "ServerSettings",
    "SmartAuthentication",
    "Transport",
    "WarningKind",
    "WriteChoice",
    "WriteEntry",
    "WriteStrategy",
]
