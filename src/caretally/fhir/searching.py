"""Searching: pages of resources, each page checked before it is handed out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from caretally.fhir.address import RESOURCE_TYPE
from caretally.fhir.errors import (
    ExpiredCursorError,
    ForeignAddressError,
    ForeignLinkError,
    GoneError,
    NotFhirError,
    NotFoundError,
    OutcomeIssue,
)
from caretally.fhir.outcome import issues_of
from caretally.fhir.paging import PagingGuard
from caretally.fhir.transport import Answer, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_ADDRESS = 1_800
"""Longer searches go by POST: proxies and servers cut or refuse addresses from about 2,000 characters."""


class WarningKind(Enum):
    """What was odd about a page."""

    ENTRY_WITHOUT_RESOURCE = "entry-without-resource"
    UNEXPECTED_TYPE = "unexpected-type"
    SERVER_REMARK = "server-remark"
    PARAMETER_IGNORED = "parameter-ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchWarning:
    """Something odd about a page that did not stop the search.

    Attributes:
        kind: what it was.
        detail: position and types, never patient data.
        issue: the server's own words for `SERVER_REMARK`; may hold patient data.
    """

    kind: WarningKind
    detail: str
    issue: OutcomeIssue | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a search.

    Attributes:
        number: 1 for the first page.
        resources: the matches, all of the type that was searched.
        included: what came along by _include or _revinclude, of any type.
        warnings: what was odd; each entry that is not handed out is listed here.
        self_link: what the server says it searched.
        next_link: checked address of the next page, None on the last one.
        total: number of matches, when the server tells.
    """

    number: int
    resources: list[dict[str, Any]] = field(repr=False)
    included: list[dict[str, Any]] = field(repr=False)
    warnings: tuple[SearchWarning, ...]
    self_link: str | None = field(repr=False)
    next_link: str | None = field(repr=False)
    total: int | None


def search(
    transport: Transport,
    resource_type: str,
    parameters: Sequence[tuple[str, str]] = (),
    *,
    exact: bool = False,
    fresh: bool = False,
    go_on_at: tuple[int, str] | None = None,
) -> Iterator[Page]:
    """Search and give page after page; nothing is asked before the first page is wanted.

    Args:
        transport: to the server.
        resource_type: for example ``Encounter``.
        parameters: names and values, not yet percent-encoded; `_count` is added when missing.
        exact: read amounts as Decimal with each digit.
        fresh: ask the server not to answer from a stored search.
        go_on_at: number and address of a page (`Page.next_link`) from which a search that was cut off goes on.

    Raises:
        PagingLoopError, PageLimitError, ForeignLinkError: the pages do not end or lead elsewhere.
        ExpiredCursorError: the server forgot the search; start the slice again.
        NotFhirError: the answer is JSON but not a Bundle.
        SourceError: see `Transport.send`.
    """
    if not RESOURCE_TYPE.fullmatch(resource_type):
        raise ValueError(f"{resource_type!r} is not a resource type")
    names = {name for name, _ in parameters}
    count = () if "_count" in names else (("_count", str(transport.settings.page_size)),)
    asked = (*parameters, *count)
    address = transport.base.address(resource_type, asked)
    guard = PagingGuard(transport.base.template(address), max_pages=transport.settings.max_pages)
    headers = {"Prefer": "handling=strict"} | ({"Cache-Control": "no-cache"} if fresh else {})
    request = _first_request(transport, resource_type, asked, address, headers, exact=exact)
    number = 1
    if go_on_at is not None:
        number, address = go_on_at[0], str(transport.base.check(go_on_at[1]))
        request = Request(method="GET", url=address, headers=headers, exact=exact)
    while True:
        guard.before_request(address)
        answer = _send(transport, request, number)
        page = _page(transport, resource_type, answer, number)
        guard.after_answer(page.resources, has_next=page.next_link is not None)
        yield _with_ignored_parameters(page, names) if number == 1 else page
        if page.next_link is None:
            return
        address = page.next_link
        number += 1
        request = Request(method="GET", url=address, headers=headers, exact=exact)


def _first_request(
    transport: Transport,
    resource_type: str,
    parameters: Sequence[tuple[str, str]],
    address: str,
    headers: dict[str, str],
    *,
    exact: bool,
) -> Request:
    if len(address) <= LONGEST_ADDRESS:
        return Request(method="GET", url=address, headers=headers, exact=exact)
    return Request(
        method="POST",
        url=transport.base.address(f"{resource_type}/_search"),
        headers=headers | {"Content-Type": "application/x-www-form-urlencoded"},
        content=urlencode(parameters, quote_via=quote).encode(),
        exact=exact,
    )


def _send(transport: Transport, request: Request, number: int) -> Answer:
    try:
        return transport.send(request)
    except (GoneError, NotFoundError) as error:
        if number == 1:
            raise
        raise ExpiredCursorError(
            f"{error.exchange} on page {number}: the server has forgotten the search; the slice must be started again"
        ) from error


def _page(transport: Transport, resource_type: str, answer: Answer, number: int) -> Page:
    bundle = answer.document
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        found = bundle.get("resourceType") if isinstance(bundle, dict) else type(bundle).__name__
        shown = found if isinstance(found, str) and RESOURCE_TYPE.fullmatch(found) else "something else"
        raise NotFhirError(f"{answer.exchange} with {shown}; wanted is a Bundle")
    matches, included, warnings = _sorted_entries(bundle.get("entry"), resource_type)
    links = _links(bundle.get("link"))
    total = bundle.get("total")
    return Page(
        number=number,
        resources=matches,
        included=included,
        warnings=tuple(warnings),
        self_link=links.get("self"),
        next_link=_next_link(transport, resource_type, links.get("next"), answer, number),
        total=total if isinstance(total, int) and not isinstance(total, bool) else None,
    )


def _next_link(transport: Transport, resource_type: str, link: str | None, answer: Answer, number: int) -> str | None:
    if not link:
        return None
    try:
        return transport.base.resolve(link, resource_type=resource_type)
    except ForeignAddressError as error:
        raise ForeignLinkError(
            f"{answer.exchange}: page {number} links to a next page elsewhere ({error}). If this is the same server "
            "under another name, list it in allowed_alias_bases of [server]"
        ) from error


def _sorted_entries(
    entries: Any, resource_type: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[SearchWarning]]:
    """Sort the entries of a page into matches, included resources and warnings; each entry ends in one of them."""
    matches: list[dict[str, Any]] = []
    included: list[dict[str, Any]] = []
    warnings: list[SearchWarning] = []
    for position, entry in enumerate(entries if isinstance(entries, list) else []):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            detail = f"entry[{position}] has no resource"
            warnings.append(SearchWarning(kind=WarningKind.ENTRY_WITHOUT_RESOURCE, detail=detail))
            continue
        kind = resource.get("resourceType")
        how = entry.get("search")
        mode = how.get("mode") if isinstance(how, dict) else None
        if kind == "OperationOutcome" and resource_type != "OperationOutcome":
            warnings += _remarks(resource, position)
        elif kind == resource_type and mode in {None, "match"}:
            matches.append(resource)
        elif mode in {None, "include"} and _is_type(kind):
            included.append(resource)
        else:
            shown = kind if _is_type(kind) else "no known type"
            detail = f"entry[{position}] is {shown}, not {resource_type}"
            warnings.append(SearchWarning(kind=WarningKind.UNEXPECTED_TYPE, detail=detail))
    return matches, included, warnings


def _remarks(outcome: dict[str, Any], position: int) -> list[SearchWarning]:
    detail = f"entry[{position}] is a remark of the server"
    issues = issues_of(outcome) or (None,)
    return [SearchWarning(kind=WarningKind.SERVER_REMARK, detail=detail, issue=issue) for issue in issues]


def _is_type(kind: Any) -> bool:
    return isinstance(kind, str) and RESOURCE_TYPE.fullmatch(kind) is not None


def _links(links: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for link in links if isinstance(links, list) else []:
        relation = link.get("relation") if isinstance(link, dict) else None
        url = link.get("url") if isinstance(link, dict) else None
        if isinstance(relation, str) and isinstance(url, str):
            found.setdefault(relation, url)
    return found


def _with_ignored_parameters(page: Page, asked: set[str]) -> Page:
    """Add a warning for each filter that is missing in the server's self link, which says what it really searched.

    A server that ignores a filter gives too much, for example everybody's resources.
    """
    used = {name for name, _ in parse_qsl((page.self_link or "").partition("?")[2], keep_blank_values=True)}
    if not used:
        return page
    filters = {name for name in asked if not name.startswith("_") or name in {"_id", "_lastUpdated", "_tag"}}
    bare = {name.partition(":")[0] for name in used}
    ignored = sorted(name for name in filters if name not in used and name.partition(":")[0] not in bare)
    warnings = tuple(
        SearchWarning(kind=WarningKind.PARAMETER_IGNORED, detail=f"the server did not use the parameter {name}")
        for name in ignored
    )
    return replace(page, warnings=page.warnings + warnings)
