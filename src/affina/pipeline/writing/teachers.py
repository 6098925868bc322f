"""The tasks that write, by name: from the recipe's `task` to what a row teaches, and the keys that they take."""

from __future__ import annotations

from typing import Any

from affina.data.loading import Loaded
from affina.errors import Problem, RecipeError
from affina.models.base import Tells
from affina.models.ending import end_with
from affina.models.languages import direction
from affina.models.writing import begin_with
from affina.recipe.base import AUTO
from affina.recipe.schema import Recipe
from affina.recipe.task_specs import ChatSpec, GenerationSpec, TranslationSpec, WritingSpec
from affina.tasks.chat import Chat, choose_template
from affina.tasks.generation import Generation
from affina.tasks.lessons import WritingTask
from affina.tasks.translation import Translation
from affina.tasks.turns import end_of_turn, has_system_place
from affina.values import Resolved

METRICS = ("loss", "perplexity")
"""What can choose the best checkpoint: what an evaluation in the middle of a training measures."""


def continues(loaded: Loaded) -> bool:
    """Whether rows are texts alone, which are learned from their first word to their last."""
    return loaded.labelling.name == "generation" and "completion" not in loaded.columns


def check_keys(recipe: Recipe, loaded: Loaded) -> None:
    """Stop at recipe keys that are not for a task that writes.

    Raises:
        RecipeError: naming the keys.
    """
    name, problems = loaded.labelling.name, list[Problem]()
    if recipe.evaluate.metric not in (AUTO, *METRICS):
        expected = f"one of {', '.join(METRICS)}: texts are written after the training, not in the middle of it"
        problems.append(_not_for(name, "evaluate.metric", recipe.evaluate.metric, expected))
    if recipe.data.check_labels:
        problems.append(_not_for(name, "data.check_labels", "true", "a task with one label a row"))
    if recipe.evaluate.shots != AUTO:
        found = str(recipe.evaluate.shots)
        problems.append(
            _not_for(name, "evaluate.shots", found, "auto: what a task that writes is shown is generate.shots")
        )
    if problems:
        raise RecipeError(*problems)


def _not_for(name: str, key: str, found: str, expected: str) -> Problem:
    return Problem(
        where=f"recipe key {key}, with the task {name}",
        expected=expected,
        found=found,
        fix=f"leave {key} out, or name another task",
    )


def teacher_of(spec: WritingSpec, model: Tells, choices: dict[str, Resolved[Any]], *, alone: bool) -> WritingTask:
    """What rows teach.

    Args:
        spec: the task, with what the columns said of it.
        model: its tokenizer gets a chat template where it needs one.
        choices: gets what was decided.
        alone: rows are texts alone.

    Raises:
        RecipeError: the languages of a translation are not known, or texts alone for a model that cannot learn them.
        ModelError: the model has no code for a language.
    """
    end_with(model.module, model.tokenizer.eos_token_id)
    match spec:
        case ChatSpec():
            return _chat(spec, model, choices)
        case GenerationSpec():
            if alone and model.reads_apart:
                raise RecipeError(_no_continuation(model.source.reference))
            return Generation(
                model.tokenizer, reads_apart=model.reads_apart, instruction=spec.instruction, continues=alone
            )
        case TranslationSpec():
            return _translation(spec, model, choices)


def _chat(spec: ChatSpec, model: Tells, choices: dict[str, Resolved[Any]]) -> Chat:
    if not model.reads_apart:
        choices["task (chat template)"] = choose_template(model.tokenizer)
        _end_turns(model, choices)
        if not has_system_place(model.tokenizer) and spec.no_place != "error":
            what = "before what the user says first" if spec.no_place == "user" else "nowhere: it is left out"
            choices["task (system)"] = Resolved(what, "the chat template has no place for what the system says")
    return Chat(model.tokenizer, reads_apart=model.reads_apart, no_place=spec.no_place)


def _end_turns(model: Tells, choices: dict[str, Resolved[Any]]) -> None:
    """Have a text end where the template ends a turn, which is what is learned, here and in plain transformers."""
    token = end_of_turn(model.tokenizer)
    if end_with(model.module, model.tokenizer.convert_tokens_to_ids(token)):
        reason = "the chat template ends an answer with it; saved with the model's generation settings"
        choices["generate (end of an answer)"] = Resolved(token, reason)


def _translation(spec: TranslationSpec, model: Tells, choices: dict[str, Resolved[Any]]) -> Translation:
    unknown = [key for key in ("source_language", "target_language") if getattr(spec, key) == AUTO]
    if unknown:
        raise RecipeError(
            *(
                Problem(
                    where=f"recipe key task.{key}",
                    expected="a language, which the column's name does not tell",
                    found="auto",
                    fix=f"write it as a code of two letters, such as task.{key}=de",
                )
                for key in unknown
            )
        )
    tokenizer, source, target = model.tokenizer, spec.source_language, spec.target_language
    where = f"model: {model.source.reference}"
    found = direction(model.module.config, tokenizer, source=source, target=target, where=where)
    if found.source_code is not None:
        tokenizer.src_lang, tokenizer.tgt_lang = found.source_code, found.target_code
    if found.first_token is not None:
        begin_with(model.module, found.first_token)
    told = found.told if model.reads_apart else "an instruction in English before every text"
    how = f"the model is told by {told}" if told else "the model is not told: it has no word for a language"
    choices["task (languages)"] = Resolved(f"{source} to {target}", how)
    return Translation(tokenizer, reads_apart=model.reads_apart, direction=found, languages=(source, target))


def _no_continuation(model: str) -> Problem:
    return Problem(
        where="recipe key task, with texts that have no outputs",
        expected="a decoder, which goes on with texts",
        found=f"{model}, an encoder-decoder, which writes a text for another",
        fix="choose a decoder, such as starter/decoder, or name the column with the outputs: data.completion=COLUMN",
    )
