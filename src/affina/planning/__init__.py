"""What a run will cost, before it starts: memory, time and disk, from its sizes and from a rehearsal of a few steps."""
