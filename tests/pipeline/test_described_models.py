"""The model in a run's record: whether it can be asked which of two texts it holds likelier."""

import pytest

from affina.pipeline.described import model_loaded
from forecasts import prepared_run


@pytest.mark.parametrize(
    ("family", "words", "can"),
    [
        ("roberta", (), True),
        ("bert", (), False),  # saved without its masked-language head
        ("gpt2", (), False),  # a head over labels
        ("gpt2", ("task={name: classification, form: words}",), True),
        ("bart", ("task={name: classification, form: words}",), False),
    ],
)
def test_the_record_says_what_the_model_can_be_asked_about_texts(tmp_path, family, words, can):
    assert model_loaded(prepared_run(tmp_path, *words, family=family)).compares_texts is can
