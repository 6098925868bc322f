"""What happened: the run folder's names, the record and its writing."""
