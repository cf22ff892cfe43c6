"""What was pulled, decided, sent and what people decided: SQLite by default, another database by URL."""

from __future__ import annotations

from caretally.store.opening import Store, StoreBinding, open_existing_store, open_store, temporary_store

__all__ = ["Store", "StoreBinding", "open_existing_store", "open_store", "temporary_store"]
