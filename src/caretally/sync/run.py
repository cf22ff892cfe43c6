"""One run: pull, decide, plan and write a month. Only data is moved here; the pure rooms decide."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from caretally.errors import UsageError
from caretally.store import open_store, temporary_store
from caretally.store.locking import store_lock
from caretally.store.opening import open_store_for_reading, store_file
from caretally.sync.request import instant_of
from caretally.sync.steps import MonthRun
from caretally.sync.store_place import store_of
from caretally.tables import sites

if TYPE_CHECKING:
    from caretally.store import Store
    from caretally.sync.report import RunReport
    from caretally.sync.request import RunRequest


def run_month(request: RunRequest) -> RunReport:
    """Pull, decide, plan and, unless it is a plan, write one month.

    Returns:
        What was done; `RunReport.error` says whether all of it could be done.

    Raises:
        UsageError: no sink to write to, a site that the configuration does not know.
        ConfigurationError: the store or configuration cannot be used.
        SourceError: the source cannot be read.
        IncompletePullError: so much is missing that nothing was decided.
        WriteError: the sink cannot be written at all.
        LockedError: another run holds the sink or the store.
    """
    check_request(request)
    with ExitStack() as held:
        if request.write and request.sink is not None:
            request.sink.check()
            held.enter_context(request.sink.lock())
            location, binding = store_of(request.sink, named=request.store, tenant=request.tenant)
            store = held.enter_context(open_store(location, binding=binding, opened_at=instant_of(request)))
            hold = held.enter_context(store_lock(store, request.sink.target))
            memory: Store | None = store
        else:
            store = held.enter_context(temporary_store(opened_at=instant_of(request)))
            memory, hold = memory_of(request, held), None
        return MonthRun(request, store, memory, hold).go()


def memory_of(request: RunRequest, held: ExitStack) -> Store | None:
    """Open the store of the sink where there is one, so that a plan knows what people decided and what was answered."""
    if request.sink is not None:
        location, _ = store_of(request.sink, named=request.store, tenant=request.tenant)
    elif request.store is not None:
        location = store_file(request.store)
    else:
        return None
    if "://" not in location and not Path(location).is_file():
        return None
    return held.enter_context(open_store_for_reading(location))


def check_request(request: RunRequest) -> None:
    """Refuse a request whose words do not fit together; raises UsageError."""
    if request.write and request.sink is None:
        raise UsageError("there is nowhere to write to: give --out FOLDER or --to URL")
    names = {site.name for site in sites(request.configuration)}
    unknown = sorted(request.narrowing.sites - names)
    if unknown:
        known = ", ".join(sorted(names)) or "none"
        raise UsageError(f"--site {unknown[0]} is not in the configuration; its sites: {known}")
