"""The project's own promises: packages are all listed, documentation runs, imports are light."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "onnxruntime", "av", "cv2", "trimesh", "gymnasium", "networkx", "open_clip", "sentence_transformers")


def _modules() -> list[str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = ["placecell"]
    for package in config["tool"]["setuptools"]["packages"]:
        path = importlib.import_module(package).__path__
        names += [f"{package}.{module.name}" for module in pkgutil.iter_modules(path) if not module.ispkg]
    return sorted(set(names))


def test_every_folder_with_code_is_a_listed_package() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    on_disk = {"placecell"} | {
        f"placecell.{path.parent.name}"
        for path in ROOT.glob("*/__init__.py")
        if path.parent.name not in ("tests", "scripts", "build")
    }
    assert set(config["packages"]) == on_disk == set(config["package-dir"])


@pytest.mark.parametrize("name", _modules())
def test_docstring_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"needs an extra: {error}")
    result = doctest.testmod(module, extraglobs={"np": np, "Path": Path}, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(block.splitlines()) <= 24
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "no match" in done.stdout


@pytest.mark.parametrize("statement", ["import placecell", "import placecell.cli"])
def test_imports_are_light(statement: str) -> None:
    code = f"{statement}; import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_every_module_has_its_place_in_the_guide() -> None:
    guide = (ROOT / "docs" / "modules.md").read_text()
    parts = dict(re.findall(r"^## `([\w/]+)/`[^\n]*\n(.*?)(?=^## |\Z)", guide, re.DOTALL | re.MULTILINE))
    assert set(parts) == {"perception", "memory", "agents", "envs", "benchmarks", "src/placecell"}
    for folder, text in parts.items():
        modules = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}
        assert set(re.findall(r"`(\w+)`", text)) - {"explore", "navigate", "eqa", "cooperate"} <= modules
        assert modules <= set(re.findall(r"`(\w+)`", text)), f"docs/modules.md lacks modules of {folder}"


def test_layers_import_one_way() -> None:
    lower = {"perception": ("memory", "agents", "envs", "benchmarks"), "memory": ("agents", "envs", "benchmarks")}
    lower |= {"agents": ("envs", "benchmarks"), "envs": ("perception", "memory", "agents", "benchmarks")}
    for layer, above in lower.items():
        for path in (ROOT / layer).glob("*.py"):
            found = re.findall(r"^\s*(?:from|import) placecell\.(\w+)", path.read_text(), re.MULTILINE)
            assert not set(found) & set(above), f"{path} imports {set(found) & set(above)}"


def test_the_project_names_no_path_of_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    pattern = re.compile(rb"/(?:work|farm|root|home)/\w")
    for name in listed.stdout.split():
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".txt", ".json", ".svg", ""}:
            assert not pattern.search(path.read_bytes()), name
