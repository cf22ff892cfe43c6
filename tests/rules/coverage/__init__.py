"""Which rows of the tables a case shows, and which case shows each row (docs/reference/coverage.md)."""
