"""Layers point down only: no room imports one that stands above it (docs/architecture.md)."""

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "fastpatent"
LAYERS = (
    {"commands", "api"},
    {"search", "report", "tuning"},
    {"engine"},
    {"evaluation"},
    {"models", "descriptors"},
    {"backbones", "heads", "losses", "data", "uspto", "synthetic"},
    {"layers", "retrieval"},
    {"config", "registry", "errors", "downloads", "files", "text", "distributed", "device", "log", "progress"},
)
HEIGHT = {room: -number for number, rooms in enumerate(LAYERS) for room in rooms}


@cache
def parsed(path):
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """Yield (line, room) of every import of the package, those inside functions included."""
    for node in ast.walk(parsed(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: write absolute imports"
            # of the package itself: the names are rooms, or what its __init__ defines
            names = [f"fastpatent.{a.name}" for a in node.names] if node.module == "fastpatent" else [node.module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "fastpatent" and len(parts) > 1 and parts[1] in HEIGHT:
                yield node.lineno, parts[1]


def test_every_room_is_in_a_layer():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} <= set(HEIGHT)


def test_no_room_imports_one_above_it():
    upwards = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for line, imported in imports(path):
            if HEIGHT[imported] > HEIGHT[room]:
                upwards.append(f"{path.relative_to(PACKAGE)}:{line}: {room} imports {imported}")
    assert not upwards, "\n".join(upwards)


def test_only_models_knows_the_networks_by_name():
    """The rest of the package asks the contract of networks, never for the class."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "models" not in path.parts:
            assert '"PatentCLIP"' not in path.read_text(encoding="utf-8"), path


def test_packages_that_are_slow_to_import_are_imported_where_they_are_used():
    """Each takes about as long as torch, and most commands need neither."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in parsed(path).body:
            names = [alias.name for alias in getattr(node, "names", [])] + [getattr(node, "module", None) or ""]
            assert not {name.partition(".")[0] for name in names} & {"torchvision", "timm"}, f"{path}:{node.lineno}"
