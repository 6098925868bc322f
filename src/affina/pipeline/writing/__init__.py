"""Runs whose model writes: chat, generation and translation. Everything in which they differ from runs that answer."""
