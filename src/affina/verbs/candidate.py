"""The process of one run of a comparison: an ordinary run of `affina train`, watched through its output.

It reads one request as a line of JSON from standard input and writes what happens as JSON, one message a line, to
standard output. When its input ends, it stops as at Ctrl-C: with a checkpoint. Its parent is `comparing.process`.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import threading

from affina.errors import AffinaError, Interrupted
from affina.recipe.load import check_recipe
from affina.recipe.schema import Recipe
from affina.record.payloads import Payload, Step
from affina.record.progress import Progress
from affina.record.risks import RISKS
from affina.runtime.children import Tell, answering, as_message
from affina.runtime.exhausted import no_memory, ran_out
from affina.verbs.train import train_recipe


def main() -> None:
    """Do one run."""
    with answering() as tell:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background leaves it ignored
        try:
            request = json.loads(sys.stdin.readline())
            threading.Thread(target=_stop_at_the_end_of_input, daemon=True).start()
            _run(check_recipe(request["recipe"]), request["share"], tell)
            tell("ended", {"state": "finished", "error": None})
        except (Interrupted, KeyboardInterrupt):
            tell("ended", {"state": "interrupted", "error": None})
        except Exception as error:
            if not isinstance(error, AffinaError) and not ran_out(error):
                raise
            told = error if isinstance(error, AffinaError) else no_memory(error)
            tell("ended", {"state": "failed", "error": as_message(told)})


def _run(recipe: Recipe, share: float, tell: Tell) -> None:
    def watch(record: Payload | Progress) -> None:
        if isinstance(record, Step):
            tell("step", (record.step, record.of))

    train_recipe(of_round(recipe, share), share=share, observers=(watch,), notify=lambda text: tell("notice", text))


def of_round(recipe: Recipe, share: float) -> Recipe:
    """The recipe of a run with a share of its epochs: a round of successive halving has no baselines and no budgets."""
    if share == 1:
        return recipe
    without = {str(risk): getattr(recipe.risks, risk).model_copy(update={"budget": None}) for risk in RISKS}
    evaluate = recipe.evaluate.model_copy(update={"baselines": False})
    return recipe.model_copy(update={"evaluate": evaluate, "risks": recipe.risks.model_copy(update=without)})


def _stop_at_the_end_of_input() -> None:
    """Wait until the parent asks this process to stop, or is gone.

    Not by way of `sys.stdin`, whose lock a thread that waits would hold while the interpreter ends.
    """
    while os.read(0, 1):
        pass
    _thread.interrupt_main()


if __name__ == "__main__":
    main()
