"""What bench/pull.py is made of: patients by number, a server of pages for very many of them, and the contestants."""
