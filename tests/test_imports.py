"""The imports of the repository: no circles, arrows that point down, and none inside functions but for commands."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "language", "vision", "scripts")
MAY_IMPORT = {  # room -> what it may import, of our rooms and of the packages of one stack
    "data/common": {"data.common"},
    "data": {"data"},
    "language": {"data", "language", "tensorflow", "keras"},
    "vision": {"data", "vision", "mxnet", "gluoncv"},
    "scripts/evaluation": {"data", "scripts"},
    "scripts": {"data", "language", "vision", "scripts", "mxnet", "gluoncv", "tensorflow", "keras"},
}
GUARDED = {"data", "language", "vision", "scripts", "mxnet", "gluoncv", "tensorflow", "keras"}
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
}


def imported(tree):
    """The modules that the import statements in a syntax tree name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{each.name}" for each in node.names)
            yield from (name if name in FILES else node.module for name in names)


def tree_of(name):
    return ast.parse(FILES[name].read_text())


@pytest.mark.parametrize("room", ROOMS)
def test_there_are_no_import_circles(room):
    """Circles between rooms would need an arrow that points up."""
    names = {name for name in FILES if name.split(".")[0] == room}
    try:
        TopologicalSorter({name: set(imported(tree_of(name))) & names - {name} for name in names}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_point_down(room):
    inner = [each for each in MAY_IMPORT if each.startswith(f"{room}/")]
    for name, path in FILES.items():
        place = path.relative_to(ROOT).as_posix()
        if not place.startswith(f"{room}/") or place.startswith(tuple(f"{each}/" for each in inner)):
            continue
        for module in imported(tree_of(name)):
            allowed = any(module == each or module.startswith(f"{each}.") for each in MAY_IMPORT[room])
            assert allowed or module.split(".")[0] not in GUARDED, f"{place} imports {module}"


@pytest.mark.parametrize("room", ROOMS)
def test_only_main_functions_import_our_modules_late(room):
    """Benchmarks may as well: they load MXNet or TensorFlow only where they measure one of them."""
    for name in FILES:
        if name.split(".")[0] != room or name.startswith("scripts.bench."):
            continue
        for function in ast.walk(tree_of(name)):
            if isinstance(function, ast.FunctionDef) and function.name != "main":
                ours = [module for module in imported(function) if module in FILES]
                assert not ours, f"{name}.{function.name} imports {', '.join(ours)}"
