"""Guards against pages that never end.

Servers link a page to itself, two pages to each other, or count an offset up while serving the same page again.
The first two are seen by the link, the third by the resources; each within two pages.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from caretally.facts import exact_json
from caretally.fhir.errors import PageLimitError, PagingLoopError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_EMPTY_PAGES = 10


class PagingGuard:
    """Watches one search.

    Memory grows by a few bytes a page, not by resource: pages are remembered as digests.

    Args:
        template: of the search, for the error texts.
        max_pages: of one search.
    """

    def __init__(self, template: str, *, max_pages: int) -> None:
        self._template = template
        self._max_pages = max_pages
        self._requested: set[bytes] = set()
        self._seen: set[bytes] = set()
        self._empty_in_a_row = 0

    def before_request(self, address: str) -> None:
        """Note the address of the page that is asked for next.

        Raises:
            PagingLoopError: it was asked for before.
            PageLimitError: the search has more pages than allowed.
        """
        fingerprint = hashlib.sha256(address.encode()).digest()
        if fingerprint in self._requested:
            raise PagingLoopError(
                f"{self._template}: page {len(self._requested)} links to a page that was already read; the search was "
                "stopped, because it would never end: report it to the server's vendor"
            )
        if len(self._requested) >= self._max_pages:
            raise PageLimitError(
                f"{self._template}: more than {self._max_pages} pages; narrow the search, or raise page_size or "
                "max_pages of [server]"
            )
        self._requested.add(fingerprint)

    def after_answer(self, matches: Iterable[dict[str, Any]], *, has_next: bool) -> None:
        """Note what a page brought.

        Raises:
            PagingLoopError: exactly this set of resources was a page of this search before, or many pages in a
                row were empty and the server still promises more.
        """
        keys = sorted(map(_key, matches))
        if not keys:
            self._empty_in_a_row += 1
            if has_next and self._empty_in_a_row >= MOST_EMPTY_PAGES:
                raise PagingLoopError(
                    f"{self._template}: {self._empty_in_a_row} empty pages in a row and still more promised; the "
                    "search was stopped: report it to the server's vendor"
                )
            return
        self._empty_in_a_row = 0
        fingerprint = hashlib.sha256(b"\0".join(keys)).digest()
        if fingerprint in self._seen:
            raise PagingLoopError(
                f"{self._template}: page {len(self._requested)} brings the same resources as an earlier one; the "
                "search was stopped, because it would never end: report it to the server's vendor"
            )
        self._seen.add(fingerprint)


def _key(resource: dict[str, Any]) -> bytes:
    identity = resource.get("id")
    if isinstance(identity, str):
        return f"{resource.get('resourceType')}/{identity}".encode(errors="replace")
    return exact_json.canonical(resource)
