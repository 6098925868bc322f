"""Every metric by its name in the record: what a reader calls it, how it is written, and which direction is better.

What computes them is in `evaluation`; the terminal, the page and early stopping read this table and no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric.

    Attributes:
        title: the reader's word for it.
        is_share: whether it is a share of 1 and written as a percentage.
        higher_is_better: its direction.
        decimals: of one that is no share.
    """

    title: str
    is_share: bool
    higher_is_better: bool
    decimals: int = 3


MEASURES: Final = {
    "accuracy": Measure("accuracy", True, True),
    "micro_f1": Measure("micro-F1", True, True),
    "macro_f1": Measure("macro-F1", True, True),
    "subset_accuracy": Measure("subset accuracy", True, True),
    "average_precision": Measure("mean average precision", True, True),
    "calibration_error": Measure("calibration error", True, False),
    "chrf": Measure("chrF", False, True, 1),
    "bleu": Measure("BLEU", False, True, 1),
    "rouge_l": Measure("ROUGE-L", True, True),
    "exact_match": Measure("exact match", True, True),
    "loss": Measure("loss", False, False),
    "slot_error": Measure("slot errors", True, False),
    "slot_missed": Measure("slots missed", True, False),
    "slot_invented": Measure("slots invented", True, False),
    "slot_unjudged": Measure("slots not judged", True, False),
    "perplexity": Measure("perplexity", False, False),
    "bits_per_byte": Measure("bits per byte", False, False),
    "rmse": Measure("RMSE", False, False),
    "mae": Measure("MAE", False, False),
    "r2": Measure("R2", False, True),
    "pearson": Measure("Pearson's r", False, True),
    "spearman": Measure("Spearman's rho", False, True),
    "lost_elsewhere": Measure("lost on rows that were not trained on", True, False),
    "foretelling_rise": Measure("rise of the bits per byte", True, False),
    "reproduced": Measure("answers written word for word", True, False),
    "exposure": Measure("exposure of canaries, in bits", False, False, 2),
    "divergence": Measure("divergence from the untouched model, in nats for a token", False, False),
    "pairs_lost": Measure("minimal pairs no longer told right", True, False),
    "choices_lost": Measure("questions no longer answered right", True, False),
    "earlier_lost": Measure("rows of an earlier task no longer answered right", True, False),
    "accuracy_by_bytes": Measure("accuracy by the log-probability for each byte", True, True),
    "stereotypes_moved": Measure("further from an even split of stereotypes", True, False),
    "stereotype_share": Measure("pairs whose stereotype is held likelier", True, False),
    "stereotype_score": Measure("stereotype score (SS)", False, False, 2),
    "language_score": Measure("language modelling score (LMS)", False, True, 2),
    "gender_gap_moved": Measure("further from the same for both genders", True, False),
    "gender_gap": Measure("right translations likelier, masculine less feminine", True, False),
    "masculine_right": Measure("right translation likelier, masculine", True, True),
    "feminine_right": Measure("right translation likelier, feminine", True, True),
    "honest_rise": Measure("rise of hurtful fillings", True, False),
    "honest": Measure("hurtful fillings (HONEST)", True, False),
    "icat": Measure("ICAT", False, True, 2),
    "equalised_odds": Measure("equalised odds difference", True, False),
    "demographic_parity": Measure("demographic parity difference", True, False),
    "flip_rate": Measure("answers that change with identity terms", True, False),
    "probability_gap": Measure("change of the answer's probability with identity terms", True, False),
    "similarity_change": Measure("1 minus the correlation of sentence similarities", False, False),
}
WRITING: Final = frozenset({"chat", "generation", "translation"})
"""The tasks whose answers are texts."""
OF_TEXTS: Final = "chrf"
"""What texts are compared by where one figure has to do: the loss, which chooses the checkpoint, is not measured with
shots."""
BEST: Final = {"chrf": 100.0, "bleu": 100.0, "r2": 1.0, "pearson": 1.0, "spearman": 1.0, "perplexity": 1.0}
"""What nothing can pass, of metrics that are no shares and whose best is not 0."""
SHARES: Final = frozenset(name for name, measure in MEASURES.items() if measure.is_share)


def title(name: str) -> str:
    """The reader's word for a metric; one that is not known is written without its underscores."""
    return MEASURES[name].title if name in MEASURES else name.replace("_", " ")


def higher_is_better(name: str) -> bool:
    """A metric's direction; one that is not known is taken to be a score."""
    return name not in MEASURES or MEASURES[name].higher_is_better


def direction(name: str) -> int:
    """1 where more of a metric is better, -1 where less is."""
    return 1 if higher_is_better(name) else -1


def best_there_is(name: str) -> float:
    """The value that nothing can pass: of a share 1 or 0, by its direction."""
    return BEST.get(name, float(name in SHARES and higher_is_better(name)))
