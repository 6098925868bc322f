"""One self-contained page about a run, from its record."""
