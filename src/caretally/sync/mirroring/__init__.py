"""Reading a server into a mirror: slices, several at a time, page by page, resumable."""
