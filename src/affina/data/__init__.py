"""Rows from the user's files, checked, split and batched."""
