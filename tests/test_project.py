"""The project's own files: what the README shows is true, and the set-up script helps."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import tomli

import lava_nbp
import lava_nbp.eventprop
from lava_nbp import training_circuit

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lava_nbp"
SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
README = (ROOT / "README.md").read_text()
PAGES = {"README.md": README, **{path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}}


def test_docs_show_the_phase_table_of_the_circuit():
    assert training_circuit(400, 400, 10).table("markdown") in PAGES["nbp.md"]


def programs(text):
    """What a page shows to run: its blocks of Python, as one where it says that they go on from one to the next."""
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return ["".join(blocks)] if "go on from one to the next" in text else blocks


CODE = [pytest.param(code, id=f"{name}-{k}") for name, text in PAGES.items() for k, code in enumerate(programs(text))]


@pytest.mark.parametrize("code", CODE)
def test_python_of_the_pages_runs(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"# prints (.*)", code)
    assert promised
    for line in promised:
        assert line in done.stdout


def test_commands_of_the_pages_exist_and_the_readme_has_all():
    from lava_nbp.cli.app import app

    commands = {command.callback.__name__ for command in app.registered_commands}
    named = {
        name: set(re.findall(r"^lava-nbp (\w+)", text, re.MULTILINE)) | set(re.findall(r"`lava-nbp (\w+)", text))
        for name, text in PAGES.items()
    }
    assert set().union(*named.values()) <= commands
    assert named["README.md"] == commands - {"plot"} | ({"plot"} & named["README.md"])


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)#\s]+)", (ROOT / name).read_text()):
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_files_that_the_pages_name_are_shipped():
    for name, text in PAGES.items():
        for path in re.findall(r"(?:run_configs|lava_nbp|tests|examples|scripts)/[\w/]+\.\w+", text):
            assert (ROOT / path).is_file(), f"{name}: {path}"


def test_citation_names_the_papers():
    import yaml

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == version("lava-nbp")
    papers = {paper["authors"][0]["family-names"]: paper for paper in citation["references"]}
    assert (papers["Renner"]["journal"], papers["Renner"]["start"]) == ("Nature Communications", "9691")
    assert (papers["Wunderlich"]["journal"], papers["Wunderlich"]["start"]) == ("Scientific Reports", "12829")


# ------------------------------------------------------------ the public face


FACES = [lava_nbp, lava_nbp.eventprop]


def imports(code):
    """What a module or cell imports, by name: `from a import b` is ("a", "b"), `import a.b` is ("a.b", "")."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_table_all_and_what_type_checkers_see_agree(face):
    table = {name: f"{face.__name__}.{module}" for module, names in face._PUBLIC.items() for name in names}
    body = ast.parse(Path(face.__file__).read_text()).body
    checked = next(node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    assert {(name, module) for module, name in imports(ast.unparse(checked))} == set(table.items())
    assert all(alias.asname == alias.name for node in checked.body for alias in node.names)  # exported again, for mypy
    assert face.__all__ == sorted(table)
    assert set(face.__all__) <= set(dir(face))


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_every_public_name_is_there(face):
    for module, names in face._PUBLIC.items():
        for name in names:
            value = getattr(face, name)
            assert value is getattr(importlib.import_module(f"{face.__name__}.{module}"), name)
    with pytest.raises(AttributeError, match=f"module '{face.__name__}' has no attribute 'nobody'"):
        _ = face.nobody


def test_every_public_name_is_in_the_reference():
    pages = [path.read_text() for path in (ROOT / "docs" / "api").glob("*.md")]
    shown = set(re.findall(r"^::: ([\w.]+)$", "\n".join(pages), re.MULTILINE))
    for face in FACES:
        for module, names in face._PUBLIC.items():
            where = f"{face.__name__}.{module}"
            missing = [name for name in names if {where, f"{where}.{name}"}.isdisjoint(shown)]
            assert not missing, f"docs/api does not show {missing} of {where}"


def test_importing_the_package_imports_nothing():
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import lava_nbp\n"
        "print(*sorted(name for name in set(sys.modules) - before if '.' not in name or name.startswith('lava')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & {"numpy", "numba", "lava", "pydantic", "matplotlib", "typer", "rich"} == set()
    assert {name for name in done.stdout.split() if name.startswith("lava")} == {
        "lava_nbp", "lava_nbp.base", "lava_nbp.base.lava_repair", "lava_nbp.base.lazy",
    }  # fmt: skip


def shown_code():
    """What users copy: python blocks of the pages, cells of the tutorials, the examples."""
    for name, text in PAGES.items():
        for k, code in enumerate(programs(text)):
            yield pytest.param(code, id=f"{name}-{k}")
    for path in sorted((ROOT / "tutorials").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        yield pytest.param(code, id=path.name)
    for path in sorted((ROOT / "examples").glob("*.py")):
        yield pytest.param(path.read_text(), id=path.name)


@pytest.mark.parametrize("code", shown_code())
def test_what_users_copy_imports_from_the_public_face(code):
    ours = {module for module, _ in imports(code) if module.partition(".")[0] == "lava_nbp"}
    assert ours <= {"lava_nbp", "lava_nbp.processes", "lava_nbp.data", "lava_nbp.eventprop"}


def written_code():
    """All but the library, which repairs Lava before any of its modules, and the stand-in for lava-loihi."""
    yield from shown_code()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if "fake_lava_loihi" not in path.parts:
            yield pytest.param(path.read_text(), id=str(path.relative_to(ROOT)))


@pytest.mark.parametrize("code", written_code())
def test_lava_is_imported_after_the_library_that_repairs_it(code):
    """In the order of the lines: what is imported in a function comes later, or does not come at all."""
    lines = {"lava": [], "lava_nbp": []}
    for node in ast.walk(ast.parse(code)):
        for module, _ in imports(ast.unparse(node)) if isinstance(node, ast.Import | ast.ImportFrom) else ():
            lines.get(module.partition(".")[0], []).append(node.lineno)
    assert not lines["lava"] or (lines["lava_nbp"] and min(lines["lava_nbp"]) < min(lines["lava"]))


# ------------------------------------------------------------ the rooms


RULES = tomli.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = [re.split(r"\s*\|\s*", layer) for layer in RULES[0]["layers"]]


def floor(module):
    """How far down the layer of a module is."""
    room = module.split(".")[1]
    return next(k for k, rooms in enumerate(LAYERS) if room in rooms)


def test_few_files_stand_outside_of_rooms():
    assert sorted(path.name for path in PACKAGE.glob("*.py")) == ["__init__.py", "__main__.py", "errors.py"]
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert {room for rooms in LAYERS for room in rooms} == rooms | {"errors"}
    assert len(LAYERS) <= 9


def test_the_guide_has_every_room_and_names_only_files_that_are_there():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^\| `(\w+)/`", guide, re.MULTILINE)) == {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    tests = [
        path.relative_to(ROOT).as_posix() for folder in ("tests", "scripts") for path in (ROOT / folder).rglob("*.py")
    ]
    for path in re.findall(r"`([\w/]+\.py)`", guide):
        assert any(f"/{name}".endswith(f"/{path}") for name in [*SOURCES, *tests]), path


def test_modules_are_imported_by_name_in_the_tables_only():
    """What is imported when it is needed, by a name in a string: who does so, and whether it is there."""
    importers = {
        name for name, code in SOURCES.items() if re.search(r"\b(import_module|__import__|exec|eval)\(", code)
    }  # fmt: skip
    assert importers == {"base/extras.py", "base/lazy.py", "base/registry.py", "on_lava/model_choice.py"}
    for name, code in SOURCES.items():
        here = "lava_nbp." + name.removesuffix(".py").replace("/", ".")
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Constant) and re.fullmatch(r"lava_nbp(\.\w+)+(:\w+)?", str(node.value)):
                module, _, what = node.value.partition(":")
                assert importlib.util.find_spec(module) is not None, f"{name}: {node.value}"
                assert not what or hasattr(importlib.import_module(module), what), f"{name}: {node.value}"
                # The table of targets says who makes their executors; every other name points down.
                assert here == "lava_nbp.base.targets" or floor(module) >= floor(here), f"{name}: {node.value}"


# ------------------------------------------------------------ set-up


SCRIPT = ROOT / "scripts" / "find-python"


def find_python(**variables):
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables}
    return subprocess.run([str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=60, check=False)


HERE = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def bare(folder, **programs):
    """A folder for PATH with a shell, no Python, and some programs: shell scripts."""
    for name in ("sh", "cat", "cut"):
        (folder / name).symlink_to(f"/bin/{name}")
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def fake(version, able="yes"):
    """A Python of a version, as far as the script asks: with venv or without."""
    return f"echo {version} {able}"


def test_python_is_found_where_it_is_named():
    done = find_python(PYTHON=sys.executable)
    assert (done.returncode, done.stdout.strip()) == (0, sys.executable)


@pytest.mark.parametrize(
    ("fakes", "said"),
    [
        ({"mine": fake("3.9")}, "Python 3.9, but that version is not supported"),
        ({"mine": fake("3.14")}, "Python 3.14, but that version is not supported"),
        ({"mine": fake("3.12", "no")}, "Python 3.12 without venv"),
        ({}, "no Python starts by that name"),
    ],
)
def test_a_named_python_that_does_not_fit_is_refused_though_others_do(fakes, said, tmp_path):
    done = find_python(PATH=bare(tmp_path, **fakes, **{"python3.13": fake("3.13")}), PYTHON="mine")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: PYTHON is 'mine', ")
    assert said in done.stderr


def test_the_newest_is_taken(tmp_path):
    path = bare(tmp_path, **{f"python3.{n}": fake(f"3.{n}") for n in (9, 10, 11, 12, 14)}, python3=fake("3.11"))
    done = find_python(PATH=path)
    assert (done.returncode, done.stdout.strip()) == (0, f"{path}/python3.12")
    every = subprocess.run(
        [str(SCRIPT), "--all"], env={"PATH": path, "HOME": "/nonexistent"}, capture_output=True, text=True, check=True
    )
    assert every.stdout.split() == [f"{path}/python3.{n}" for n in (12, 11, 10)]


def test_one_without_venv_is_passed_over(tmp_path):
    path = bare(tmp_path, **{"python3.13": fake("3.13", "no"), "python3.10": fake("3.10")})
    assert find_python(PATH=path).stdout.strip() == f"{path}/python3.10"


def test_python_is_found_below_pyenv(tmp_path):
    binary = tmp_path / "versions" / f"{HERE.removeprefix('python')}.99" / "bin"
    binary.mkdir(parents=True)
    (binary / HERE).symlink_to(os.path.realpath(sys.executable))
    (tmp_path / "bin").mkdir()
    done = find_python(PATH=bare(tmp_path / "bin"), PYENV_ROOT=str(tmp_path))
    assert (done.returncode, done.stdout.strip()) == (0, str(binary / HERE))


@pytest.mark.parametrize(
    ("fakes", "said"),
    [
        ({}, "no Python was found"),
        ({"python3": fake("3.14")}, "is Python 3.14, and no Python that fits was found"),
        ({"python3": fake("3.11", "no")}, "is Python 3.11 without venv, and no other Python that fits was found"),
    ],
)
def test_without_python_the_message_says_how_to_get_one(fakes, said, tmp_path):
    done = find_python(PATH=bare(tmp_path, **fakes, uv="false"))
    assert done.returncode == 1
    for word in (
        said,
        "3.10, 3.11, 3.12 and 3.13",
        "python3-venv",
        "pyenv install 3.13",
        "uv python install",
        "conda create",
    ):
        assert word in done.stderr


def make(*arguments):
    return subprocess.run(
        ["make", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_an_environment_of_another_python_is_not_taken(tmp_path):
    """Neither for the one that was asked for, nor in its place."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    there = f"VENV={tmp_path}"
    assert make("chosen", there).returncode == 0
    assert make("chosen", there, f"PYTHON={sys.executable}").returncode == 0
    (tmp_path / "other").write_text("#!/bin/sh\necho Python 3.9.99\n")
    (tmp_path / "other").chmod(0o755)
    refused = make("chosen", there, f"PYTHON={tmp_path / 'other'}")
    assert refused.returncode != 0
    for word in (str(tmp_path), "is Python 3.9.99", "VENV=", "make clean"):
        assert word in refused.stderr
