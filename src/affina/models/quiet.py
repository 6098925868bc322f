"""What is said while a model is fetched, converted or loaded: Affina's own notices instead of transformers' chatter.

This module decides nothing about models; who prints a notice is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from transformers.utils import logging

Notify = Callable[[str], None]
"""Receives one sentence for the user, without a full stop."""


def silent(_notice: str) -> None:
    """Drop a notice: the default where the caller has nobody to tell."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' log lines and progress bars off the screen, and put its settings back afterwards.

    What matters of them (parameters that were missing, say) is read from return values and said in Affina's words.
    """
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
