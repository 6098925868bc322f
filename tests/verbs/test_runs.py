"""Whole runs of a tiny model: where they go, that they stop and go on bit for bit, and what can be made of them."""

from __future__ import annotations

import errno
import functools
import itertools
import math
import os
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from safetensors.numpy import load_file

import affina as api
from affina.data.written.guess import KEYS
from affina.errors import InputError, Interrupted, ResourceError, RunError
from affina.record import files, journal
from affina.record.folder import RunFolder
from affina.record.journal import read
from affina.record.lock import FolderLock
from affina.record.payloads import Chosen, Evaluated, Event, Finished, Scores, Started, Step
from affina.record.starts import ModelLoaded
from affina.training import checkpoint
from affina.verbs import train as train_module
from workbench import affina, files_under, sample_rows, tiny, write_csv

WORDS = ("train.epochs=3", "train.batch_tokens=150", "evaluate.per_epoch=2", "evaluate.resamples=20")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(Path("good.csv"), sample_rows())
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run that tests read and leave as it is."""
    home = tmp_path_factory.mktemp("whole")
    source = str(write_csv(home / "good.csv", sample_rows()))
    return api.train(source, [f"model={tiny()}", *WORDS, f"run={home / 'run'}"])


@pytest.fixture
def stop_after(monkeypatch):
    """Ctrl-C in the middle of the run, once: an observer sends the signal when it is shown the record of a step."""

    def _stop_after(step, number=signal.SIGINT):
        waiting = [step]

        def observe(record):
            if isinstance(record, Step) and waiting and record.step == waiting[0]:
                waiting.clear()
                os.kill(os.getpid(), number)

        original = train_module.execute

        @functools.wraps(original)
        def execute(prepared, place, *, observers, before):
            return original(prepared, place, observers=(*observers, observe), before=before)

        monkeypatch.setattr(train_module, "execute", execute)

    return _stop_after


def train(*more, source="good.csv", **options):
    return api.train(source, [f"model={tiny()}", *WORDS, *more], **options)


def numbers(run: Path | RunFolder):
    """Everything in a record that is computed, timing left out."""
    folder = run if isinstance(run, RunFolder) else RunFolder(run)
    records = read(folder.journal)
    steps = [
        (r.step, r.loss, r.learning_rate, r.gradient_norm, r.rows, r.tokens) for r in records if isinstance(r, Step)
    ]
    looks = [r for r in records if isinstance(r, Evaluated)]
    scores = [r for r in records if isinstance(r, Scores)]
    assert steps
    return steps, looks, scores


def weights(run: Path | RunFolder) -> bytes:
    folder = run if isinstance(run, RunFolder) else RunFolder(run)
    return (folder.model / "model.safetensors").read_bytes()


def test_a_run_folder_holds_what_the_design_says():
    result = train()
    assert result.folder.path == Path("runs/good")
    names = {path.name for path in result.folder.path.iterdir()}
    assert names == {"recipe.yaml", "record.jsonl", "checkpoints", "model", "report.html", "report.json", "card.md"}
    assert not [name for name in files_under(Path("runs")) if "partial" in name or name.endswith(".old")]
    started, *_, finished = read(result.folder.journal)
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)


def test_the_same_command_after_a_finished_run_takes_the_next_number():
    paths = [train("train.max_steps=1").folder.path for _ in range(3)]
    assert paths == [Path("runs/good"), Path("runs/good-2"), Path("runs/good-3")]


def test_the_same_run_twice_is_the_same_bit_for_bit(whole):
    again = train()
    assert numbers(again.folder) == numbers(whole.folder)
    assert weights(again.folder) == weights(whole.folder)


def test_another_seed_is_another_run(whole):
    assert numbers(train("seed=1").folder)[0] != numbers(whole.folder)[0]


@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(stop_after, whole, step):
    stop_after(step)
    with pytest.raises(Interrupted) as caught:
        train("run=cut")
    assert f"stopped after step {step}" in str(caught.value)
    assert not Path("cut/model").exists()
    assert len(numbers(Path("cut"))[0]) == step
    resumed = train("run=cut", resume=True)
    assert numbers(resumed.folder) == numbers(whole.folder)
    assert weights(resumed.folder) == weights(whole.folder)
    assert resumed.scores == whole.scores
    assert resumed.baselines == whole.baselines
    assert [r.resumed_at for r in read(resumed.folder.journal) if isinstance(r, Started)] == [None, step]


def test_with_dropout_and_accumulation_too(stop_after):
    more = ("train.dropout=0.3", "train.accumulate=2", "method=full", "train.schedule=cosine")
    whole = train("run=whole", *more)
    stop_after(3, signal.SIGTERM)
    with pytest.raises(Interrupted):
        train("run=cut", *more)
    resumed = train("run=cut", *more)
    assert numbers(resumed.folder) == numbers(whole.folder)
    assert weights(resumed.folder) == weights(whole.folder)
    assert [r.resumed_at for r in read(resumed.folder.journal) if isinstance(r, Started)] == [None, 3]


def test_ctrl_c_on_the_command_line(stop_after):
    stop_after(3)
    words = ("train", "good.csv", f"model={tiny()}", *WORDS)
    ended = affina(*words)
    assert ended.status == 130
    assert ended.err.startswith("stopped: runs/good")
    assert "same command" in ended.err
    assert "Traceback" not in ended.err
    ended = affina(*words)
    assert ended.status == 0
    assert ended.out.startswith("going on     after step 3\n")
    assert [path.name for path in Path("runs").iterdir()] == ["good"]
    assert affina(*words, "--resume").status == 2


@pytest.mark.parametrize("word", ["run=cut", "run=auto"])
def test_what_a_stopped_run_has_written_is_room_for_it_to_go_on(stop_after, here, monkeypatch, word):
    stop_after(4)
    with pytest.raises(Interrupted):
        train(word)
    folder = Path("cut" if word == "run=cut" else "runs/good")
    own = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    planned = api.plan("good.csv", [f"model={tiny()}", *WORDS, word], rehearse=False)
    least = planned.forecast.disk.least
    monkeypatch.setattr("affina.planning.fitting.free_disk", lambda _: least - own // 2)
    with pytest.raises(ResourceError, match="disk of the run folder"):
        train("run=new")
    assert train(word).folder.path == folder


def test_another_recipe_does_not_go_on_with_a_stopped_run(stop_after):
    stop_after(2)
    with pytest.raises(Interrupted):
        train()
    assert train("seed=5").folder.path == Path("runs/good-2")
    assert train().folder.path == Path("runs/good")
    with pytest.raises(RunError, match=r"another recipe: seed was 0 and is now 6"):
        train("seed=6", "run=runs/good")


def test_a_finished_run_is_not_written_over():
    result = train("run=mine", "train.max_steps=1")
    before = files_under(result.folder.path)
    with pytest.raises(RunError, match="a finished run"):
        train("run=mine", "train.max_steps=1")
    assert files_under(result.folder.path) == before


def test_changed_data_stop_a_run_from_going_on(stop_after):
    stop_after(2)
    with pytest.raises(Interrupted):
        train()
    before = files_under(Path("runs"))
    write_csv(Path("good.csv"), sample_rows(63))
    with pytest.raises(RunError, match=r"good\.csv, in the run"):
        train()
    assert files_under(Path("runs")) == before
    write_csv(Path("good.csv"), sample_rows())
    assert train().folder.path == Path("runs/good")


def test_a_run_that_crashed_before_its_first_checkpoint_starts_again():
    def crash(record):
        if isinstance(record, Step) and record.step == 2:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        train(observers=(crash,))
    result = train()
    assert result.folder.path == Path("runs/good")
    assert [r.resumed_at for r in read(result.folder.journal) if isinstance(r, Started)] == [None]


def test_a_crash_after_a_checkpoint_costs_the_steps_since(whole):

    def crash(record):
        if isinstance(record, Step) and record.step == 5:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        train("run=cut", "train.checkpoint_every=2", observers=(crash,))
    with Path("cut/record.jsonl").open("ab") as file:
        file.write(b'{"kind": "step", "st')  # the crash cut a line
    resumed = train("run=cut", "train.checkpoint_every=2")
    assert numbers(resumed.folder) == numbers(whole.folder)
    assert weights(resumed.folder) == weights(whole.folder)


def test_the_written_recipe_runs_again_with_the_same_numbers():
    first = train("train.epochs=1")
    again = api.train(first.folder.recipe)
    assert again.folder.path == Path("runs/good-2")
    assert numbers(again.folder) == numbers(first.folder)
    assert weights(again.folder) == weights(first.folder)
    assert again.folder.recipe.read_text() == first.folder.recipe.read_text()


def test_the_written_recipe_leaves_only_open_what_is_no_choice():
    tree = yaml.safe_load(train("train.max_steps=1").folder.recipe.read_text())

    def auto(node, path=""):
        if isinstance(node, dict):
            return list(itertools.chain.from_iterable(auto(value, f"{path}.{key}") for key, value in node.items()))
        return [path[1:]] if node == "auto" else []

    of_writing = {"train.pack", *(f"data.{key}" for keys in KEYS.values() for key in keys if key != "text")}
    left = {key for key in auto(tree) if not key.startswith("generate.")} - of_writing
    beside = {"export.merge", "evaluate.shots", "train.cache", "train.cache_gib"}  # there is nothing to decide of these
    room = {"risks.measure"}  # how much of them there is room for is known when the training is over
    assert left <= {"run", "train.dropout", "train.checkpoint_every"} | beside | room


def test_every_choice_is_recorded_once_with_its_reason():
    chosen = [record for record in read(train("train.max_steps=1").folder.journal) if isinstance(record, Chosen)]
    keys = [record.key for record in chosen]
    assert len(keys) == len(set(keys))
    assert {"model", "device"} & set(keys)
    assert {"train.learning_rate", "train.epochs", "data.label", "data.max_length", "method"} <= set(keys)
    assert all(record.reason for record in chosen)


def test_python_and_the_command_line_do_the_same():
    words = [f"model={tiny()}", *WORDS, "train.epochs=1"]
    called = api.train("good.csv", [*words, "run=called"])
    assert affina("train", "good.csv", *words, "run=typed").status == 0
    tree = yaml.safe_load(called.folder.recipe.read_text())
    given = api.train({**tree, "run": "given"})
    typed_recipe = api.train(api.Recipe.model_validate({**tree, "run": "recipe"}))
    for other in (RunFolder(Path("typed")), given.folder, typed_recipe.folder):
        assert numbers(other) == numbers(called.folder)
        assert weights(other) == weights(called.folder)


def test_a_finished_run_is_a_model_to_go_on_from():
    first = train()
    second = train(f"model={first.folder.path}", "run=second", "train.max_steps=1", "train.learning_rate=1e-12")
    loaded = next(record for record in read(second.folder.journal) if isinstance(record, ModelLoaded))
    assert loaded.reference.endswith("good") or "runs/good" in loaded.reference
    mine = load_file(first.folder.model / "model.safetensors")
    after = load_file(second.folder.model / "model.safetensors")
    assert mine.keys() == after.keys()
    body = [name for name in mine if "encoder.layer" in name]
    assert body
    assert all(abs(mine[name] - after[name]).max() < 1e-6 for name in body)


def test_what_train_measured_is_what_evaluate_measures(folder):
    write_csv(Path("test.csv"), [(f"{text} again", label) for text, label in sample_rows(30)])
    result = train("data.test=test.csv")
    assert result.scores.split == "test"
    found = api.evaluate(result.folder.path, "test.csv")
    for name, figure in result.scores.metrics.items():
        assert found.scores.metrics[name].value == pytest.approx(figure.value, rel=1e-5)
        assert found.scores.metrics[name].n == 30
    assert found.scores.confusion == result.scores.confusion


def test_predict_takes_a_text_several_or_a_file():
    run = train("train.max_steps=2").folder.path
    texts = [text for text, _ in sample_rows(7)]
    write_csv(Path("seven.csv"), [(text,) for text in texts], header="text")
    from_file, from_list = api.predict(run, "seven.csv"), api.predict(run, texts)
    single = [api.predict(run, text)[0] for text in texts]
    for one, two, three in zip(from_file, from_list, single, strict=True):
        assert one.text == two.text == three.text
        assert one.probabilities == pytest.approx(two.probabilities)
        assert one.probabilities == pytest.approx(three.probabilities, rel=1e-5)


def test_pairs_of_texts():
    rows = [(text, f"{label} it is", label) for text, label in sample_rows()]
    write_csv(Path("pairs.csv"), rows, header="text,text_pair,label")
    run = train("data.text_pair=text_pair", source="pairs.csv").folder.path
    assert len(api.predict(run, "pairs.csv")) == 60
    assert api.evaluate(run, "pairs.csv").scores.metrics["accuracy"].n == 60
    with pytest.raises(InputError, match="without its second one"):
        api.predict(run, "a text alone")


def test_observers_see_the_record_as_it_is_written():
    seen = []
    result = train("train.max_steps=2", observers=(seen.append,))
    assert seen == read(result.folder.journal)


def stopped(stop_after, *words):
    stop_after(2)
    with pytest.raises(Interrupted):
        train(*words)


def test_the_recipe_that_a_stopped_run_wrote_goes_on_with_it(stop_after):
    stopped(stop_after)
    result = api.train("runs/good/recipe.yaml", resume=True)
    assert result.folder.path == Path("runs/good")
    assert [r.resumed_at for r in read(result.folder.journal) if isinstance(r, Started)] == [None, 2]


def test_asking_to_resume_what_has_no_checkpoint_changes_nothing():
    def crash(record):
        if isinstance(record, Step):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        train(observers=(crash,))
    before = files_under(Path("runs"))
    with pytest.raises(RunError, match="leave out --resume"):
        train(resume=True)
    assert files_under(Path("runs")) == before
    assert train().folder.path == Path("runs/good")


def test_another_base_model_stops_a_run_from_going_on(stop_after):
    shutil.copytree(tiny(), "base")
    stopped(stop_after, "model=base")
    path = Path("base/model.safetensors")
    other = bytearray(path.read_bytes())
    other[-1] ^= 1
    path.write_bytes(other)
    with pytest.raises(RunError, match="the model base, in the run"):
        train("model=base")


def test_two_processes_cannot_use_one_run_folder():
    Path("runs/good").mkdir(parents=True)
    lock = FolderLock(Path("runs/good"))
    assert train().folder.path == Path("runs/good-2")
    with pytest.raises(RunError, match="another process") as caught:
        train("run=runs/good")
    assert "wait for its end" in str(caught.value)
    lock.release()


def test_the_best_weights_of_a_checkpoint_outlive_a_better_evaluation_after_it(stop_after):
    """A crash after a new best and before the next checkpoint must not leave the run without its own best."""
    stopped(stop_after)
    folder = RunFolder(Path("runs/good"))
    state = checkpoint.load_state(folder.last())
    checkpoint.save_best(folder, checkpoint.load_best(folder, step=state.stopping["best_step"]), step=99)
    assert folder.best(state.stopping["best_step"]).is_dir()
    result = train()
    assert [path.name for path in result.folder.checkpoints.glob("best-*")] == [
        result.folder.best(finished(result).best_step).name
    ]


def damage(path, name):
    """Change one byte in the middle of a file, which keeps its size."""
    file = path / name
    held = bytearray(file.read_bytes())
    held[len(held) // 2] ^= 1
    file.write_bytes(held)


def crashed(step, *more):
    """A run with two checkpoints that broke off."""

    def crash(record):
        if isinstance(record, Step) and record.step == step:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        train("run=cut", "train.checkpoint_every=2", *more, observers=(crash,))


@pytest.mark.parametrize("name", ["trained.safetensors", "state.json", "best"])
def test_a_damaged_checkpoint_is_put_aside_for_the_one_before_it(whole, name):
    words = ("train.checkpoint_every=2", "train.keep=2")
    crashed(7, "train.keep=2")
    folder = RunFolder(Path("cut"))
    assert [path.name[-1] for path in folder.steps()] == ["6", "4"]
    if name == "best":
        best = checkpoint.load_state(folder.last()).stopping["best_step"]
        damage(folder.best(best), "trained.safetensors")
    else:
        damage(folder.last(), name)
    resumed = train("run=cut", *words)
    assert numbers(resumed.folder) == numbers(whole.folder)
    assert weights(resumed.folder) == weights(whole.folder)
    said, *_ = [r.text for r in read(folder.journal) if isinstance(r, Event) and r.name == "damaged checkpoint"]
    assert "step-00000006" in said
    assert name == "best" or "goes on from the checkpoint step-00000004" in said
    assert (folder.damaged / "step-00000006" / "state.json").is_file()
    assert said in folder.report.read_text().replace("&#39;", "'")


def test_without_another_checkpoint_a_damaged_one_is_put_aside_for_the_start(whole):
    crashed(5)
    damage(Path("cut/checkpoints/step-00000004"), "optimizer.safetensors")
    resumed = train("run=cut", "train.checkpoint_every=2")
    assert numbers(resumed.folder) == numbers(whole.folder)
    assert [path.name for path in resumed.folder.damaged.iterdir()] == ["step-00000004"]


def test_what_a_killed_process_left_is_not_in_the_way():
    Path("mine/checkpoints/.step-00000001.abc_.partial").mkdir(parents=True)
    Path("mine/.recipe.yaml.7.partial").write_text("half")
    result = train("run=mine", "train.max_steps=1")
    assert not [name for name in files_under(result.folder.path) if name.endswith((".partial", ".old"))]


def test_a_second_ctrl_c_leaves_at_once_and_the_last_checkpoint_is_gone_on_from(whole):
    def twice(record):
        if isinstance(record, Step) and record.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="the last checkpoint is of step 2"):
        train("run=cut", "train.checkpoint_every=2", observers=(twice,))
    resumed = train("run=cut", "train.checkpoint_every=2")
    assert numbers(resumed.folder) == numbers(whole.folder)


def test_a_full_disk_in_the_middle_leaves_a_run_that_goes_on(whole, monkeypatch):
    put, room = files.put, [math.inf]

    def filling(file, data):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        put(file, data)

    with monkeypatch.context() as patched:
        for module in (files, journal, checkpoint):
            patched.setattr(module, "put", filling)

        def fill(record):
            if isinstance(record, Step) and record.step == 4:
                room[0] = 1

        with pytest.raises(ResourceError, match="make room on that disk"):
            train("run=cut", "train.checkpoint_every=1", observers=(fill,))
    resumed = train("run=cut", "train.checkpoint_every=1", resume=True)
    assert numbers(resumed.folder) == numbers(whole.folder)
    assert weights(resumed.folder) == weights(whole.folder)


def finished(result):
    return next(record for record in read(result.folder.journal) if isinstance(record, Finished))


@pytest.mark.parametrize(
    ("words", "steps", "said"),
    [
        (("train.max_steps=8", "train.warmup=100"), "8 of 8 steps", "never falls"),
        (("train.max_steps=8", "train.warmup=0.9"), "7 of 8 steps", "takes 7 of the run's 8 steps"),
        (("train.max_steps=8", "train.warmup=2"), "2 of 8 steps", ""),
    ],
)
def test_a_given_warm_up_is_told_in_steps_and_doubted_where_it_is_most_of_the_run(words, steps, said):
    notices: list[str] = []
    train(*words, "run=runs/warm", "evaluate.baselines=false", notify=notices.append)
    records = read(Path("runs/warm/record.jsonl"))
    [chosen] = [r for r in records if isinstance(r, Chosen) and r.key == "train.warmup"]
    told = [text for text in notices if "train.warmup" in text]

    assert steps in chosen.reason
    assert [said in text for text in told] == ([True] if said else [])
    assert [r.text for r in records if isinstance(r, Event) and "train.warmup" in r.text] == told
