"""Checks of how a server can be written to, from what it says of itself: nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.errors import ConfigurationError
from caretally.fhir.capability import WRITTEN_TYPES, WriteStrategy
from caretally.sync.sinks.way import way_of

if TYPE_CHECKING:
    from caretally.fhir.capability import Capabilities
    from caretally.fhir.server import FhirServer
    from caretally.sync.doctor.check import Findings


def check_writing(
    server: FhirServer, capabilities: Capabilities, findings: Findings, configured: WriteStrategy | None
) -> None:
    """Check what the CapabilityStatement says about writing.

    Args:
        server: to be written to.
        capabilities: its own words.
        findings: get the results.
        configured: ``[writeback] strategy``; None: automatic.
    """
    try:
        choice = way_of(server.write_strategy(), capabilities, WRITTEN_TYPES, configured)
    except ConfigurationError as error:
        findings.fail("write-strategy", str(error), means="nothing can be written", fix="change [writeback] strategy")
        return
    if choice.strategy is WriteStrategy.EXPORT_ONLY:
        findings.warn(
            "write-strategy",
            choice.reason,
            means="claims and charges cannot be put on the server",
            fix="write to a folder (--out), or ask for update with ids of ours on ChargeItem, Claim and Provenance",
        )
    else:
        findings.ok("write-strategy", choice.reason)
    if capabilities.transaction:
        findings.ok("transaction", "a patient-month is written whole or not at all")
    else:
        findings.warn(
            "transaction",
            "not offered",
            means="resources are written one by one, and taken back when one of them is refused",
            fix="ask for the system interaction transaction",
        )
    lacking = [name for name in WRITTEN_TYPES if capabilities.resource(name).update_create is False]
    if lacking:
        findings.warn(
            "ids-of-ours",
            f"{', '.join(lacking)} cannot be created under an id of ours",
            means="a repeat is told from a new claim by identifier instead of id",
            fix="ask for updateCreate",
        )
    else:
        findings.ok("ids-of-ours", "not refused: a repeat meets the same id")
    conditional = [name for name in WRITTEN_TYPES if capabilities.resource(name).conditional_update]
    findings.ok(
        "conditional-update", f"offered for {', '.join(conditional)}" if conditional else "not offered, not needed"
    )
    guarded = [name for name in WRITTEN_TYPES if capabilities.resource(name).versioning != "no-version"]
    if len(guarded) < len(WRITTEN_TYPES):
        findings.warn(
            "versions",
            "the server keeps no versions",
            means="a change by a person in the same moment could be overwritten",
            fix="ask for versioning of ChargeItem and Claim",
        )
    else:
        findings.ok("versions", "changes are guarded by the version that they were made for")
