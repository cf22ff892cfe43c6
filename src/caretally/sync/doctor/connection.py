"""Checks of the way to a server: address, TLS, log-in, rights, version and clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from caretally.errors import CaretallyError, IncompletePullError
from caretally.fhir.capability import WRITTEN_TYPES
from caretally.fhir.errors import ResponseError, ServerUnreachableError, UntrustedServerError
from caretally.fhir.settings import NoAuthentication, SmartAuthentication

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from caretally.fhir.capability import Capabilities
    from caretally.fhir.server import FhirServer
    from caretally.sync.doctor.check import Findings

SKEW = timedelta(minutes=2)
"""An assertion lives two to five minutes: more skew than this and log-ins begin to fail."""

log = structlog.get_logger(__name__)


def check_connection(server: FhirServer, findings: Findings, now: Callable[[], datetime]) -> Capabilities | None:
    """Check everything up to the CapabilityStatement; None when there is none, and nothing else can be checked."""
    _tls(server, findings)
    try:
        capabilities = server.capabilities()
    except UntrustedServerError as error:
        findings.fail(
            "reachable",
            str(error),
            means="nothing can be read",
            fix="set ca_file, client_certificate_file or base_url of [server], as it says",
        )
        return None
    except ServerUnreachableError as error:
        findings.fail(
            "reachable", str(error), means="nothing can be read", fix="check base_url, network, firewall and proxy"
        )
        return None
    except CaretallyError as error:
        findings.fail("reachable", str(error), means="nothing can be read", fix="check base_url")
        return None
    findings.ok("reachable", "GET /metadata gives a CapabilityStatement")
    findings.ok("fhir-version", f"FHIR {capabilities.fhir_version}")
    name = " ".join(part for part in (capabilities.software_name, capabilities.software_version) if part)
    findings.ok("software", name or "the server does not say what it is")
    _log_in(server, findings)
    _clock(server, findings, now)
    return capabilities


def _tls(server: FhirServer, findings: Findings) -> None:
    settings = server.settings
    if not server.base_url.startswith("https://"):
        findings.warn(
            "tls",
            "plain http",
            means="patient data and, where allowed, the token cross the network unencrypted",
            fix="use the server's https address, unless it is this machine or a private network",
        )
    elif not settings.verify_certificate:
        findings.warn(
            "tls",
            "https, but certificates are not checked",
            means="anybody on the way can read along",
            fix="take verify_certificate = false out; name the authority with ca_file",
        )
    else:
        findings.ok("tls", "https, TLS 1.2 or newer, certificate checked")


def _log_in(server: FhirServer, findings: Findings) -> None:
    auth = server.settings.auth
    if isinstance(auth, NoAuthentication):
        findings.warn(
            "log-in",
            "no credentials are configured",
            means="only an open server answers, which no server with patient data should be",
            fix="set auth of [server], unless this is a test",
        )
        findings.skip("scopes", "no credentials are configured")
        return
    try:
        server.time()
    except ResponseError as error:
        findings.fail(
            "log-in",
            str(error),
            means="nothing can be read",
            fix="check auth of [server] and whether the secret expired",
        )
        findings.skip("scopes", "the log-in failed")
        return
    except CaretallyError as error:
        findings.fail("log-in", str(error), means="nothing can be read", fix="see the message")
        findings.skip("scopes", "the log-in failed")
        return
    findings.ok("log-in", f"accepted ({type(auth).__name__.removesuffix('Authentication').lower()})")
    if not isinstance(auth, SmartAuthentication):
        findings.skip("scopes", "only a log-in by SMART tells which rights were granted")
        return
    _scopes(server, findings)


def _scopes(server: FhirServer, findings: Findings) -> None:
    from caretally.fhir.smart import SmartCredentials  # noqa: PLC0415

    credentials = server.transport.credentials
    if not isinstance(credentials, SmartCredentials):
        findings.skip("scopes", "the credentials come from elsewhere")
        return
    missing = credentials.missing()
    if not missing:
        findings.ok("scopes", f"everything asked for was granted: {credentials.token().scope}")
        return
    written = [one for one in missing if one.partition(":")[0] in WRITTEN_TYPES]
    findings.warn(
        "scopes",
        f"not granted: {'; '.join(missing)}",
        means="these types stay unseen" + (", and nothing can be written" if written else ""),
        fix=f"ask the server's administrator to grant: {credentials.asked_scopes()}",
    )


def _clock(server: FhirServer, findings: Findings, now: Callable[[], datetime]) -> None:
    try:
        told = server.time()
    except CaretallyError:
        findings.skip("clock", "the server did not answer")
        return
    if told is None:
        findings.warn(
            "clock",
            "answers have no Date",
            means="changes are looked for from a quarter of an hour earlier, by this machine's clock",
            fix="nothing, if this machine's clock is right",
        )
        return
    skew = abs(now() - told)
    if skew > SKEW:
        findings.warn(
            "clock",
            f"the server's clock and ours differ by {int(skew.total_seconds())} s",
            means="log-ins by signed assertion may be refused",
            fix="let this machine keep its time by NTP",
        )
    else:
        findings.ok("clock", f"the server's clock and ours differ by {int(skew.total_seconds())} s")


def check_types(
    capabilities: Capabilities,
    server: FhirServer,
    findings: Findings,
    wanted: Collection[str],
    required: Collection[str],
) -> set[str]:
    """Check that each resource type can be read; return those that can."""
    readable = set()
    for name in wanted:
        check = f"read-{name}"
        if name not in capabilities.resources:
            means, fix = "its facts are not known", f"ask for {name} on the server, or map its facts from elsewhere"
            if name in required:
                findings.fail(check, "not offered", means="nothing can be decided", fix=fix)
            else:
                findings.warn(check, "not offered", means=means, fix=fix)
            continue
        try:
            next(iter(server.search(name, [("_count", "1")])), None)
        except IncompletePullError:
            readable.add(name)
            findings.ok(check, "can be searched; for its further pages see paging")
        except CaretallyError as error:
            fix = f"ask for the right to read and search {name}"
            if name in required:
                findings.fail(check, str(error), means="nothing can be decided", fix=fix)
            else:
                findings.warn(check, str(error), means="its facts are not known", fix=fix)
        else:
            readable.add(name)
            findings.ok(check, "can be searched")
    return readable
