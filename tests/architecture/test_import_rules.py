"""Who may import whom, and what stays quick to import."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.api import read_configuration
from importlinter.cli import lint_imports

import affina

ROOT = Path(affina.__file__).parents[2]
CONFIGURATION = ROOT / ".importlinter"


def test_every_import_contract_is_kept(monkeypatch, tmp_path):
    assert len(read_configuration(str(CONFIGURATION))["contracts_options"]) >= 4
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename=str(CONFIGURATION), cache_dir=str(tmp_path)) == 0


def test_every_package_has_its_place_in_the_layers():
    layers = next(
        contract["layers"]
        for contract in read_configuration(str(CONFIGURATION))["contracts_options"]
        if contract["type"] == "layers"
    )
    lines = layers if isinstance(layers, list) else layers.split("\n")
    placed = {name.strip().removeprefix("affina.") for line in lines for name in line.split("|")}
    present = {module.name for module in pkgutil.iter_modules(affina.__path__)}
    assert present - placed <= {"demo", "__main__"}  # demo holds a data file and no code


HEAVY = """
import sys
sys.argv = ["affina", {arguments}]
try:
    {statement}
except SystemExit:
    pass
heavy = sorted({{"torch", "transformers", "numpy", "sklearn"}} & set(sys.modules))
sys.exit(f"loaded {{heavy}}" if heavy else 0)
"""
LIGHT = {
    "affina --help": ('"--help"', "from affina.cli.main import run; run()"),
    "affina train --help": ('"train", "--help"', "from affina.cli.main import run; run()"),
    "import affina": ("", "import affina"),
    "import affina.recipe": ("", "import affina.recipe.load, affina.recipe.resolve"),
    "import affina.record": ("", "import affina.record.journal, affina.record.files, affina.record.folder"),
    "import affina.reporting": ("", "import affina.reporting.page"),
    "import affina.data": ("", "import affina.data.places, affina.data.checks"),
}


@pytest.mark.parametrize("name", LIGHT)
def test_what_must_not_load_torch(name):
    arguments, statement = LIGHT[name]
    code = HEAVY.format(arguments=arguments, statement=statement)
    if name == "import affina.data":
        code = code.replace('"numpy", ', "")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_run_loads_no_library_of_probes_before_it_fits_one():
    code = """
import sys
import affina.pipeline.execute, affina.pipeline.prepare, affina.planning.starting, affina.verbs.train
heavy = sorted({"sklearn", "pandas", "scipy.stats", "pyarrow", "datasets"} & set(sys.modules))
sys.exit(f"loaded {heavy}" if heavy else 0)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_all_is_sorted_and_everything_in_it_is_there():
    assert list(affina.__all__) == sorted(affina.__all__)
    for name in affina.__all__:
        assert getattr(affina, name) is not None


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="'affina' has no attribute 'tran'"):
        _ = affina.tran


def test_every_module_can_be_imported():
    names = [module.name for module in pkgutil.walk_packages(affina.__path__, "affina.")]
    assert len(names) > 40
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)
