"""Faults that lead a client, and its token, to another place."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults import spoiling as do
from tests.faults.fault import FINDING, Ended, Fault, Incomplete, Survived, always, once
from tests.faults.front import Exchange


def elsewhere(exchange: Exchange) -> str:
    return f"{exchange.front.elsewhere}/Encounter?patient=g02-pat"


def _user_info(exchange: Exchange) -> str:
    """The base as user name and password of another host."""
    return f"http://{exchange.front.origin.removeprefix('http://')}@{_bare(exchange)}/fhir/Encounter"


def _bare(exchange: Exchange) -> str:
    return exchange.front.elsewhere.removeprefix("http://").removesuffix("/fhir")


def _in_path(exchange: Exchange) -> str:
    return f"{exchange.front.elsewhere}/{exchange.front.base}/Encounter"


def _mapped(exchange: Exchange) -> str:
    return f"http://[::ffff:127.0.0.1]:{_bare(exchange).rpartition(':')[2]}/fhir/Encounter"


def _mapped_self(exchange: Exchange) -> str:
    return f"http://[::ffff:127.0.0.1]:{exchange.front.port}/fhir/Encounter"


def _as_number(exchange: Exchange) -> str:
    return f"http://2130706433:{_bare(exchange).rpartition(':')[2]}/fhir/Encounter"


def _metadata(_exchange: Exchange) -> str:
    return "http://169.254.169.254/latest/meta-data/iam/security-credentials/"


def _climbing(exchange: Exchange) -> str:
    return f"{exchange.front.base}/%2e%2e/admin"


def _same_host_other_path(exchange: Exchange) -> str:
    return f"{exchange.front.origin}/admin"


def _alias(exchange: Exchange) -> str:
    """The next page as the server's own, inner name has it; the tests configure it as an alias."""
    target = exchange.asked.target.removeprefix("/fhir")
    return f"https://inner.example/fhir{target}&offset=2"


LINK = "links to a next page elsewhere"
FOREIGN_LINKS: tuple[tuple[str, str, Callable[[Exchange], str]], ...] = (
    ("foreign-next", "the next page is on another server, whose port begins as ours", elsewhere),
    ("user-info-trick", "the next page is at `http://OUR-BASE@ELSEWHERE/`", _user_info),
    ("base-in-the-path", "the next page is at `ELSEWHERE/OUR-BASE/`", _in_path),
    ("mapped-address", "the next page is at another port of `[::ffff:127.0.0.1]`", _mapped),
    ("mapped-address-of-the-base", "the next page is at our base, written as an IPv6-mapped address", _mapped_self),
    ("address-as-a-number", "the next page is at another port of `2130706433`", _as_number),
    ("metadata-address", "the next page is at the metadata service of a cloud", _metadata),
    ("climbing-path", "the next page is at our base and `/%2e%2e/admin`", _climbing),
    ("another-path", "the next page is on our server, not below the base", _same_host_other_path),
)

LED_ELSEWHERE: tuple[Fault, ...] = (
    *(
        Fault(
            name=name,
            group="led elsewhere",
            what=what,
            script=always(do.next_is(link)),
            outcome=Incomplete(LINK),
            heals=name == "user-info-trick",
        )
        for name, what, link in FOREIGN_LINKS
    ),
    Fault(
        name="finding-foreign-next",
        group="led elsewhere",
        what="the search that finds the patients goes on elsewhere",
        script=always(do.next_is(elsewhere), FINDING),
        outcome=Ended("ForeignLinkError", 5, LINK),
        heals=True,
    ),
    Fault(
        name="alias-of-the-base",
        group="led elsewhere",
        what="the next page is under the server's inner name, which the configuration names as an alias",
        script=once(do.next_is(_alias)),
        outcome=Survived(),
        settings={"allowed_alias_bases": ["https://inner.example/fhir"]},
    ),
    Fault(
        name="redirect-elsewhere",
        group="led elsewhere",
        what="302 to another server",
        script=always(do.redirects(elsewhere)),
        outcome=Incomplete("redirects are never followed"),
    ),
    Fault(
        name="redirect-keeping-the-method",
        group="led elsewhere",
        what="308 to another server",
        script=always(do.redirects(elsewhere, 308)),
        outcome=Incomplete("redirects are never followed"),
    ),
    Fault(
        name="redirect-of-metadata",
        group="led elsewhere",
        what="302 to another server for `/metadata`",
        script=always(do.redirects(elsewhere), r"^GET /fhir/metadata"),
        outcome=Ended("RedirectRefusedError", 4, "redirects are never followed"),
    ),
)
