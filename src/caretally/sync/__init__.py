"""The run: sources and sinks, what moves between them, and what happens when something fails on the way."""
