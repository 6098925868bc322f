"""Runs whose model answers with a label, labels or a number: everything in which they differ from runs that write."""
