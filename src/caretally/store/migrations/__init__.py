"""Numbered steps from an empty database to the tables of `store.schema`; never changed once released."""
