"""Geographic practice cost indices: the shipped example localities and the files that a site adds."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from caretally.errors import TableError
from caretally.facts.rates import Locality
from caretally.tables.locate import display_name
from caretally.tables.reading import checked, read_toml
from caretally.tables.service_rows import LocalitiesFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from pathlib import Path


class _Spanned(Protocol):
    @property
    def valid_from(self) -> date: ...
    @property
    def valid_to(self) -> date | None: ...


def no_overlap(rows: Iterable[_Spanned], what: str, file: str) -> None:
    """Refuse two rows for one date.

    Raises:
        TableError: naming what the rows are, and the date.
    """
    for one, other in pairwise(sorted(rows, key=lambda r: r.valid_from)):
        if one.valid_to is None or one.valid_to >= other.valid_from:
            raise TableError(
                f"{what} has two rows for {other.valid_from}: one from {one.valid_from}, one from {other.valid_from}; "
                "end the first before the second begins",
                file=file,
            )


def read_localities(shipped: Path, extra: Sequence[Path]) -> tuple[Locality, ...]:
    """Read the geographic indices.

    Args:
        shipped: mappings/services/localities.toml.
        extra: files of a site in the same form; a locality in one takes the place of its shipped rows.

    Raises:
        TableError: a file is wrong, or one locality has two rows for a date.
    """
    found: dict[str, list[Locality]] = {}
    for path in (shipped, *extra):
        rows: dict[str, list[Locality]] = {}
        for row in checked(LocalitiesFile, read_toml(path), path).locality:
            assert row.valid_from is not None  # noqa: S101 -- the row itself refuses that
            locality = Locality(
                code=row.code,
                name=row.name,
                valid_from=row.valid_from,
                valid_to=row.valid_to,
                work=row.work,
                pe=row.pe,
                mp=row.mp,
                rate_status=row.rate_status,
                source=row.source,
            )
            rows.setdefault(row.code, []).append(locality)
        for code, several in rows.items():
            no_overlap(several, f"locality {code}", display_name(path))
        found |= rows
    return tuple(row for rows in found.values() for row in rows)
