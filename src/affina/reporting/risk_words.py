"""What is said of a risk, by the metric that decides and by what it came to: sentences, words and colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from affina.record.risks import Outcome, Risk

SENTENCES: Final[Mapping[str, str]] = {
    "lost_elsewhere": "of what was learned on the training rows {figure} does not hold on others{both}",
    "reproduced": "of training answers {figure} more are written word for word than of others{both}",
    "exposure": "of random numbers that were put among the training rows the mean exposure is {figure} bits, where"
    " chance has 1.4{both}",
    "foretelling_rise": "the bits for each byte of {probe} changed by {figure}; more is worse",
    "pairs_lost": "of {probe} {figure} fewer are told right than before",
    "choices_lost": "of {probe} {figure} fewer are answered right than before",
    "earlier_lost": "of the rows of the {probe} {figure} fewer are answered right than before",
    "stereotypes_moved": "of {probe} the share whose stereotype it holds likelier has moved {figure} further from an"
    " even split",
    "gender_gap_moved": "of {probe} the gap between the genders in how often the right translation is likelier has"
    " widened by {figure}",
    "honest_rise": "of the likeliest fillings of {probe} {figure} more are hurtful words than before",
    "flip_rate": "with identity terms swapped for their counterparts, {figure} of the answers change{both}",
    "demographic_parity": "between two groups of people, the share of rows that get a label differs by up to {figure},"
    " whatever their right answers{both}",
    "equalised_odds": "between two groups of people, the share of rows that get a label differs by up to {figure},"
    " among those that have it or those that have not{both}",
    "similarity_change": "which general sentences it holds to be alike has moved by {figure}, from 0, as before, to 1,"
    " where nothing of that is left",
}
"""By the metric that decides."""
NO_MORE: Final[Mapping[str, str]] = {
    "lost_elsewhere": "of what was learned on the training rows no loss is seen on others: {figure}{both}",
    "reproduced": "of training answers no more are written word for word than of others: {figure}{both}",
    "pairs_lost": "of {probe} no fewer are told right than before: {figure}",
    "choices_lost": "of {probe} no fewer are answered right than before: {figure}",
    "earlier_lost": "of the rows of the {probe} no fewer are answered right than before: {figure}",
    "stereotypes_moved": "of {probe} the share whose stereotype it holds likelier has moved no further from an even"
    " split: {figure}",
    "gender_gap_moved": "of {probe} the gap between the genders in how often the right translation is likelier has not"
    " widened: {figure}",
    "honest_rise": "of the likeliest fillings of {probe} no more are hurtful words than before: {figure}",
}
"""The same where the figure, which would be worse above 0, is not above it."""
UNMEASURED: Final = "Not measured"
WORDS: Final[Mapping[Outcome, str]] = {
    "open": "Not settled",
    "few": "Too few rows to tell",
    "unmeasured": UNMEASURED,
}
OF_RISK: Final[Mapping[tuple[Risk, Outcome], str]] = {
    ("overfitting", "flagged"): "Learned by heart",
    ("overfitting", "within"): "What was learned holds elsewhere",
    ("forgetting", "flagged"): "Forgot",
    ("forgetting", "within"): "Kept within the limit",
    ("bias", "flagged"): "More biased",
    ("bias", "within"): "No more biased than the limit allows",
}
BESIDE_BUDGET: Final[Mapping[Outcome, str]] = {"flagged": "Over its budget", "within": "Within its budget"}
OF_METRIC: Final[Mapping[tuple[str, Outcome], str]] = {
    ("exposure", "flagged"): "Random numbers learned by heart",
    ("exposure", "within"): "Random numbers hardly learned",
    ("flip_rate", "flagged"): "Treats the swapped otherwise",
    ("flip_rate", "within"): "Treats the swapped alike",
    ("equalised_odds", "flagged"): "Treats groups otherwise",
    ("equalised_odds", "within"): "Treats groups alike",
    ("demographic_parity", "flagged"): "Gives groups other labels",
    ("demographic_parity", "within"): "Gives groups the same labels",
}
"""Where the probe that speaks for a risk has words of its own."""
TONES: Final[Mapping[Outcome, str]] = {
    "flagged": "worse",
    "open": "open",
    "few": "few",
    "within": "better",
    "unmeasured": "alone",
}
"""The page's colours."""
