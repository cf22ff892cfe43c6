"""The faults of servers, proxies and networks that a pull must survive or end at by name: data for the tests and the
table in docs/reference/faults.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.faults import spoiling as do
from tests.faults.front import Exchange, Injection

SEARCH = r"^GET /fhir/Encounter\?patient=g02-pat"
"""The search for the time of one of the two patients."""
ANY_SEARCH = r"^GET /fhir/[A-Z]\w+\?(patient|_id|practitioner)="
FINDING = r"^GET /fhir/CarePlan\?category="
FILE = r"^GET /fhir/jobs/\w+/Encounter"
STATUS = r"^GET /fhir/jobs/\w+$"
KICK_OFF = r"^GET /fhir/Patient/\$export"

Group = Literal[
    "asked for patience", "broken answers", "too much", "pages", "led elsewhere", "refusals and log-in", "export"
]


@dataclass(frozen=True, slots=True)
class Survived:
    """The command ends with 0 and its results are those of a run without faults; `words`: in what way."""

    words: str = "the same bytes"

    def __str__(self) -> str:
        return f"survived: {self.words}"


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The command ends with 5 and says `words`; nothing is decided for the patients concerned, the others are."""

    words: str

    def __str__(self) -> str:
        return f"exit 5, one of two patients decided: “{self.words}”"


@dataclass(frozen=True, slots=True)
class Ended:
    """The command ends with `code`, an error of the class `kind` and `words`; nothing is decided for anybody."""

    kind: str
    code: int
    words: str

    def __str__(self) -> str:
        return f"exit {self.code}, `{self.kind}`: “{self.words}”"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        what: the server, proxy or network does.
        script: how the tests do it.
        by: how the server is read.
        settings: of ``[server]``, besides those of the tests.
        most_pages: requests of the spoilt search at most.
        most_mebibytes: memory that the command may need more than in a run without faults.
        heals: where it did not end well, a run without it is made too; `make prove` does so for all of them.
    """

    name: str
    group: Group
    what: str
    script: tuple[Injection, ...] = field(repr=False)
    outcome: Survived | Incomplete | Ended
    by: Literal["search", "export"] = "search"
    settings: Mapping[str, object] = field(default_factory=dict)
    most_pages: int | None = None
    most_mebibytes: int = 100
    heals: bool = False


def _once(do_this: object, where: str = SEARCH, *, after: int = 0, times: int | None = 1) -> tuple[Injection, ...]:
    return (Injection(where, do_this, times, after),)  # type: ignore[arg-type]


def _always(do_this: object, where: str = SEARCH) -> tuple[Injection, ...]:
    return _once(do_this, where, times=None)


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
FOREIGN_LINKS: tuple[tuple[str, str, object], ...] = (
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

FAULTS: tuple[Fault, ...] = (
    # --- asked for patience
    Fault(
        name="429-seconds",
        group="asked for patience",
        what="429 with `Retry-After: 2`",
        script=_once(do.wait_seconds(429, 2)),
        outcome=Survived(),
    ),
    Fault(
        name="429-for-everybody",
        group="asked for patience",
        what="429 with `Retry-After: 2` to one of several requests in flight, in the middle of the pull",
        script=_once(do.wait_seconds(429, 2), ANY_SEARCH, after=4),
        outcome=Survived(),
    ),
    Fault(
        name="503-date",
        group="asked for patience",
        what="503 with an HTTP date two to three seconds away",
        script=_once(do.wait_until(503, 3)),
        outcome=Survived(),
    ),
    Fault(
        name="503-date-of-a-slow-clock",
        group="asked for patience",
        what="503 with an HTTP date, by a clock that is an hour slow",
        script=_once(do.wait_until(503, 2, clock_wrong_by=-3600)),
        outcome=Survived(),
    ),
    Fault(
        name="429-vendor-header",
        group="asked for patience",
        what="429 with `x-ms-retry-after-ms: 1500`",
        script=_once(do.wait_seconds(429, 1.5, header="x-ms-retry-after-ms")),
        outcome=Survived(),
    ),
    Fault(
        name="429-too-long",
        group="asked for patience",
        what="429 with `Retry-After: 3600`, more than the wait budget",
        script=_once(do.wait_seconds(429, 3600)),
        outcome=Ended("RetryLaterError", 4, "asks to wait 3600 s"),
        heals=True,
    ),
    Fault(
        name="503-without-a-word",
        group="asked for patience",
        what="503 twice, without Retry-After",
        script=_once(do.refuses(503), times=2),
        outcome=Survived(),
    ),
    # --- broken answers
    Fault(
        name="reset-in-the-middle",
        group="broken answers",
        what="the connection is reset in the middle of a body",
        script=_once(do.cut_in_the_middle(reset=True)),
        outcome=Survived(),
    ),
    Fault(
        name="closed-in-the-middle",
        group="broken answers",
        what="the connection is closed in the middle of a body",
        script=_once(do.cut_in_the_middle(reset=False)),
        outcome=Survived(),
    ),
    Fault(
        name="dropped",
        group="broken answers",
        what="the connection is reset before the answer, every third request",
        script=tuple(Injection(ANY_SEARCH, do.dropped, 1, after) for after in range(0, 30, 3)),
        outcome=Survived(),
        settings={"retry.attempts": 8},
    ),
    Fault(
        name="silent",
        group="broken answers",
        what="no answer at all, once",
        script=_once(do.silent),
        outcome=Survived(),
        settings={"timeout_seconds": 1.0},
    ),
    Fault(
        name="truncated-json",
        group="broken answers",
        what="the JSON ends in the middle, its length is right",
        script=_once(do.shortened),
        outcome=Survived(),
    ),
    Fault(
        name="truncated-json-always",
        group="broken answers",
        what="the JSON ends in the middle, each time",
        script=_always(do.shortened),
        outcome=Incomplete("ends in the middle"),
        heals=True,
    ),
    Fault(
        name="truncated-gzip",
        group="broken answers",
        what="the gzip data end in the middle",
        script=_once(do.packed_and_cut),
        outcome=Survived(),
    ),
    Fault(
        name="other-encoding",
        group="broken answers",
        what="packed as deflate, which was not offered",
        script=_always(do.packed_otherwise),
        outcome=Incomplete("packed as 'deflate'"),
    ),
    Fault(
        name="web-page",
        group="broken answers",
        what="200 with the page of a log-in or a proxy",
        script=_always(do.says(b"<!DOCTYPE html><html><body>Log in</body></html>", "text/html")),
        outcome=Incomplete("a web page"),
        heals=True,
    ),
    Fault(
        name="wrong-content-type",
        group="broken answers",
        what="the right body as `application/octet-stream`",
        script=_always(do.typed("application/octet-stream")),
        outcome=Incomplete("content type application/octet-stream"),
    ),
    Fault(
        name="empty-body",
        group="broken answers",
        what="200 without a body",
        script=_always(do.says(b"", do.FHIR)),
        outcome=Incomplete("wanted is a Bundle"),
    ),
    Fault(
        name="another-resource",
        group="broken answers",
        what="200 with an OperationOutcome instead of a Bundle",
        script=_always(do.says(b'{"resourceType":"OperationOutcome","issue":[]}', do.FHIR)),
        outcome=Incomplete("wanted is a Bundle"),
    ),
    Fault(
        name="deep-nesting",
        group="broken answers",
        what="JSON of a hundred thousand brackets",
        script=_always(do.says(b"[" * 100_000 + b"]" * 100_000, do.FHIR)),
        outcome=Incomplete("is not valid JSON"),
    ),
    Fault(
        name="no-utf-8",
        group="broken answers",
        what="JSON in another encoding than UTF-8",
        script=_always(do.says('{"resourceType":"Bundle","id":"é"}'.encode("latin-1"), do.FHIR)),
        outcome=Incomplete("is not valid JSON"),
    ),
    # --- too much
    Fault(
        name="bomb",
        group="too much",
        what="1 GB, packed to 1 MB, in answer to every search for the time of one patient, default limits",
        script=_always(do.bombs()),
        outcome=Incomplete("the answer has more than"),
        settings={"max_response_bytes": 64 * do.MEBIBYTE, "answer_seconds": 60.0},
        most_mebibytes=200,
    ),
    Fault(
        name="bombs-in-flight",
        group="too much",
        what="1 GB, packed to 1 MB, in answer to eight searches for facts, four at a time, default limits",
        script=_always(do.bombs(), r"^GET /fhir/(Encounter|Condition|CarePlan|Goal)\?patient="),
        outcome=Ended("IncompletePullError", 5, "2 patients could not be read wholly"),
        settings={"max_response_bytes": 64 * do.MEBIBYTE, "answer_seconds": 120.0},
        most_mebibytes=600,
        heals=True,
    ),
    Fault(
        name="bomb-in-parts",
        group="too much",
        what="1 GB, packed as a thousand gzip members",
        script=_always(do.bombs_in_parts),
        outcome=Incomplete("the answer has more than"),
    ),
    Fault(
        name="bomb-as-error",
        group="too much",
        what="1 GB, packed to 1 MB, as the body of a 400",
        script=_always(do.bombs(status=400)),
        outcome=Incomplete("does not understand the request"),
    ),
    Fault(
        name="announced-too-long",
        group="too much",
        what="`Content-Length` says 10 GB",
        script=_always(do.announced(10 * do.GIBIBYTE)),
        outcome=Incomplete("the answer has more than"),
    ),
    Fault(
        name="over-the-limit",
        group="too much",
        what="a page longer than `max_response_bytes`, its length not announced",
        script=_always(do.padded(2 * do.MEBIBYTE)),
        outcome=Incomplete("the answer has more than"),
    ),
    Fault(
        name="endless-body",
        group="too much",
        what="a body without end, as fast as it can be taken",
        script=_always(do.endless),
        outcome=Incomplete("the answer has more than"),
    ),
    Fault(
        name="slow-body",
        group="too much",
        what="a body that drips for ever",
        script=_always(do.drips),
        outcome=Incomplete("not complete in the time allowed"),
        settings={"answer_seconds": 1.0},
    ),
    Fault(
        name="slow-head",
        group="too much",
        what="a head that drips for ever",
        script=_always(do.drips_its_head),
        outcome=Incomplete("not complete in the time allowed"),
        settings={"answer_seconds": 1.0},
    ),
    Fault(
        name="for-ever-processing",
        group="too much",
        what="`102 Processing` again and again, and never an answer",
        script=_always(do.wait_a_moment_for_ever),
        outcome=Incomplete("not complete in the time allowed"),
        settings={"answer_seconds": 1.0},
    ),
    # --- pages
    Fault(
        name="loop-to-itself",
        group="pages",
        what="A → A: a page links to itself",
        script=_always(do.next_is(do.own_address)),
        outcome=Incomplete("links to a page that was already read"),
        most_pages=2,
        heals=True,
    ),
    Fault(
        name="loop-of-two",
        group="pages",
        what="A → B → A: two pages link to each other",
        script=(
            Injection(SEARCH + r"(?!.*_mark)", do.next_is(do.marked("&offset=2&_mark=b")), None),
            Injection(SEARCH + r".*_mark=b", do.next_is(do.marked("")), None),
        ),
        outcome=Incomplete("links to a page that was already read"),
        most_pages=2,
    ),
    Fault(
        name="growing-offset",
        group="pages",
        what="the offset grows and the resources stay the same",
        script=_always(do.same_page_for_ever),
        outcome=Incomplete("brings the same resources as an earlier one"),
        most_pages=2,
    ),
    Fault(
        name="empty-pages",
        group="pages",
        what="empty pages without end",
        script=_always(do.empty_for_ever),
        outcome=Incomplete("empty pages in a row"),
        most_pages=10,
    ),
    Fault(
        name="expired-cursor",
        group="pages",
        what="410 for the second page, once",
        script=_once(do.refuses(410), SEARCH + ".*offset=2"),
        outcome=Survived(),
    ),
    Fault(
        name="forgotten-cursor",
        group="pages",
        what="404 for the second page, once",
        script=_once(do.refuses(404), SEARCH + ".*offset=2"),
        outcome=Survived(),
    ),
    Fault(
        name="expired-cursor-always",
        group="pages",
        what="410 for the second page, each time",
        script=_always(do.refuses(410), SEARCH + ".*offset=2"),
        outcome=Incomplete("the server has forgotten the search"),
        most_pages=6,
        heals=True,
    ),
    Fault(
        name="finding-loop",
        group="pages",
        what="A → A in the search that finds the patients",
        script=_always(do.next_is(do.own_address), FINDING),
        outcome=Ended("PagingLoopError", 5, "links to a page that was already read"),
        most_pages=2,
    ),
    # --- led elsewhere
    *(
        Fault(
            name=name,
            group="led elsewhere",
            what=what,
            script=_always(do.next_is(link)),  # type: ignore[arg-type]
            outcome=Incomplete(LINK),
            heals=name == "user-info-trick",
        )
        for name, what, link in FOREIGN_LINKS
    ),
    Fault(
        name="finding-foreign-next",
        group="led elsewhere",
        what="the search that finds the patients goes on elsewhere",
        script=_always(do.next_is(elsewhere), FINDING),
        outcome=Ended("ForeignLinkError", 5, LINK),
        heals=True,
    ),
    Fault(
        name="alias-of-the-base",
        group="led elsewhere",
        what="the next page is under the server's inner name, which the configuration names as an alias",
        script=_once(do.next_is(_alias)),
        outcome=Survived(),
        settings={"allowed_alias_bases": ["https://inner.example/fhir"]},
    ),
    Fault(
        name="redirect-elsewhere",
        group="led elsewhere",
        what="302 to another server",
        script=_always(do.redirects(elsewhere)),
        outcome=Incomplete("redirects are never followed"),
    ),
    Fault(
        name="redirect-keeping-the-method",
        group="led elsewhere",
        what="308 to another server",
        script=_always(do.redirects(elsewhere, 308)),
        outcome=Incomplete("redirects are never followed"),
    ),
    Fault(
        name="redirect-of-metadata",
        group="led elsewhere",
        what="302 to another server for `/metadata`",
        script=_always(do.redirects(elsewhere), r"^GET /fhir/metadata"),
        outcome=Ended("RedirectRefusedError", 4, "redirects are never followed"),
    ),
    # --- refusals and log-in
    Fault(
        name="401-in-the-middle",
        group="refusals and log-in",
        what="401 in the middle of the pull, with a fixed token",
        script=_always(do.refuses(401), r"^GET /fhir/\w+\?patient=g11"),
        outcome=Ended("AuthenticationError", 4, "does not accept our credentials"),
        heals=True,
    ),
    Fault(
        name="403-of-what-is-needed",
        group="refusals and log-in",
        what="403 for the patients' time",
        script=_always(do.refuses(403), r"^GET /fhir/Encounter\?patient="),
        outcome=Ended("ForbiddenError", 4, "ask for the scope"),
    ),
    Fault(
        name="500-always",
        group="refusals and log-in",
        what="500 for one search, each time",
        script=_always(do.refuses(500)),
        outcome=Incomplete("a fault of its own"),
    ),
    # --- export
    Fault(
        name="export-busy",
        group="export",
        what="429 with `Retry-After: 2` while the export is waited for",
        script=_once(do.wait_seconds(429, 2), STATUS),
        outcome=Survived(),
        by="export",
    ),
    Fault(
        name="export-file-cut",
        group="export",
        what="the connection is reset in the middle of a file",
        script=_once(do.cut_in_the_middle(reset=True), FILE),
        outcome=Survived(),
        by="export",
    ),
    Fault(
        name="export-file-short",
        group="export",
        what="a file with half of its lines",
        script=_once(do.half_of_the_lines, FILE),
        outcome=Survived(),
        by="export",
    ),
    Fault(
        name="export-file-gone",
        group="export",
        what="410 for a file: the export has expired",
        script=_once(do.refuses(410), FILE),
        outcome=Survived(),
        by="export",
    ),
    Fault(
        name="export-file-elsewhere",
        group="export",
        what="the manifest names a file on another server, for which the token is wanted",
        script=_always(do.files_at(elsewhere), STATUS),
        outcome=Ended("ForeignAddressError", 4, "the export names a file at"),
        by="export",
        heals=True,
    ),
    Fault(
        name="export-file-redirected",
        group="export",
        what="302 to another server for a file",
        script=_always(do.redirects(elsewhere), FILE),
        outcome=Ended("RedirectRefusedError", 4, "redirects are never followed"),
        by="export",
    ),
    Fault(
        name="export-status-elsewhere",
        group="export",
        what="the state of the export is told by another server",
        script=_always(do.started_at(elsewhere), KICK_OFF),
        outcome=Ended("ForeignAddressError", 4, "nothing was sent to it"),
        by="export",
    ),
    Fault(
        name="export-bomb",
        group="export",
        what="a file of one line of 1 GB, packed to 1 MB",
        script=_always(do.bombs(content_type="application/fhir+ndjson"), FILE),
        outcome=Ended("AnswerTooLargeError", 4, "a line of more than"),
        by="export",
        settings={"max_response_bytes": 64 * do.MEBIBYTE},
        heals=True,
    ),
)
