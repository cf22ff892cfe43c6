"""``caretally store``: where the store is, what it belongs to, and bringing an older one up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from caretally.cli.explain_command import where_to_look
from caretally.reports.wording import count
from caretally.store import schema
from caretally.store.opening import open_existing_store, store_file
from caretally.store.runs import latest_run
from caretally.store.upgrading import HEAD

if TYPE_CHECKING:
    from caretally.cli.options import Settings


def show_store(settings: Settings) -> None:
    """Say where the store is and what is in it.

    Raises:
        UsageError: nobody knows which store.
        ConfigurationError: it cannot be used.
    """
    location, origin = where_to_look(settings)
    with open_existing_store(store_file(location)) as store:
        intents, decisions = schema.change_intent, schema.decision
        with store.reading() as connection:
            bound = connection.execute(select(schema.store_binding)).one()
            states = select(intents.c.state, func.count()).group_by(intents.c.state).order_by(intents.c.state)
            changes = {str(state): int(number) for state, number in connection.execute(states)}
            decided = int(connection.execute(select(func.count()).select_from(decisions)).scalar() or 0)
        last = latest_run(store)
        place = store.place
    settings.output.document(
        {
            "store": place,
            "version": HEAD,
            "target": bound.target,
            "tenant": bound.tenant,
            "created_at": bound.created_at,
            "changes": changes,
            "decisions": decided,
            "last_run": None if last is None else {"at": last.started_at, "command": last.command, "state": last.state},
        }
    )
    settings.output.text(f"store: {place} ({origin}), version {HEAD}")
    settings.output.text(f"belongs to: {bound.target}, tenant {bound.tenant}, since {bound.created_at}")
    listed = ", ".join(f"{number} {state}" for state, number in changes.items()) or "none"
    settings.output.text(f"changes: {listed}; {count(decided, 'decision')} of people")
    if last is not None:
        settings.output.text(f"last run: {last.command} {last.service_month}, {last.started_at}, {last.state}")


def upgrade_store(settings: Settings, *, backed_up: bool) -> None:
    """Bring a store up to date.

    Raises:
        UsageError: nobody knows which store.
        ConfigurationError: it cannot be used, or nobody has said that there is a backup.
        WriteError: no copy can be made; nothing was changed.
    """
    location, origin = where_to_look(settings)
    with open_existing_store(store_file(location), backed_up=backed_up) as store:
        place = store.place
    settings.output.document({"store": place, "version": HEAD})
    settings.output.text(f"the store {place} ({origin}) has version {HEAD}")
