"""Caretally: care-management billing beside a FHIR server, every minute counted once."""

__version__ = "0.1.0"
