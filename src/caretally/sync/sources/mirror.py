"""A mirror as source: what `caretally sync` read of a server, for one month after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caretally.store.staging import StagingWriter
    from caretally.sync.pulling import PullRequest, PullResult


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSource:
    """Gives what a mirror holds.

    Attributes:
        mirror_id: in the store that the run uses.
        base_url: of the server that was read.
        read: what the reading brought and what it could not bring.
    """

    mirror_id: str
    base_url: str
    read: PullResult

    @property
    def key(self) -> str:
        """Return the name of the source in the store: that of the server, for the facts are the server's."""
        return f"server:{self.base_url}"

    @property
    def description(self) -> str:
        """Return the base URL."""
        return self.base_url

    @property
    def authoritative(self) -> bool:
        """Whether what is missing does not exist; see `ServerSource`."""
        return True

    def pull(self, request: PullRequest, writer: StagingWriter) -> PullResult:  # noqa: ARG002 -- as every source
        """Stage everything that is held."""
        writer.take_mirror(self.mirror_id)
        return self.read
