"""Affina: fine-tune a pre-trained language model on your own data, and know what it cost.

Every verb of the command line is a function here, loaded when it is first used, so that `import affina` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affina.errors import AffinaError as AffinaError
    from affina.pipeline.execute import RunResult as RunResult
    from affina.recipe.schema import Recipe as Recipe
    from affina.record.compared import Compared as Compared
    from affina.verbs.chat import Talk as Talk
    from affina.verbs.chat import chat as chat
    from affina.verbs.check import Checked as Checked
    from affina.verbs.check import check as check
    from affina.verbs.compare import compare as compare
    from affina.verbs.demo import demo as demo
    from affina.verbs.evaluate import Evaluation as Evaluation
    from affina.verbs.evaluate import evaluate as evaluate
    from affina.verbs.plan import Planned as Planned
    from affina.verbs.plan import plan as plan
    from affina.verbs.predict import Prediction as Prediction
    from affina.verbs.predict import predict as predict
    from affina.verbs.report import report as report
    from affina.verbs.train import train as train
    from affina.verbs.verify import Verified as Verified
    from affina.verbs.verify import verify as verify

__version__ = "0.1.0"

_HOMES = {
    "AffinaError": "affina.errors",
    "Checked": "affina.verbs.check",
    "Compared": "affina.record.compared",
    "Evaluation": "affina.verbs.evaluate",
    "Planned": "affina.verbs.plan",
    "Prediction": "affina.verbs.predict",
    "Recipe": "affina.recipe.schema",
    "RunResult": "affina.pipeline.execute",
    "Talk": "affina.verbs.chat",
    "Verified": "affina.verbs.verify",
    "chat": "affina.verbs.chat",
    "check": "affina.verbs.check",
    "compare": "affina.verbs.compare",
    "demo": "affina.verbs.demo",
    "evaluate": "affina.verbs.evaluate",
    "plan": "affina.verbs.plan",
    "predict": "affina.verbs.predict",
    "report": "affina.verbs.report",
    "train": "affina.verbs.train",
    "verify": "affina.verbs.verify",
}

__all__ = [
    "AffinaError",
    "Checked",
    "Compared",
    "Evaluation",
    "Planned",
    "Prediction",
    "Recipe",
    "RunResult",
    "Talk",
    "Verified",
    "__version__",
    "chat",
    "check",
    "compare",
    "demo",
    "evaluate",
    "plan",
    "predict",
    "report",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'affina' has no attribute {name!r}")
