"""Malformed input of every kind that Affina reads, made by code: each file with what a user must be told of it."""
