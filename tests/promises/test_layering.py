"""The floors do not blur: C knows SIMD, Cython knows threads, Python knows models, and each uses only what is below."""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "fastbp"

# The floors of the package, from the bottom: each folder or module may import from itself and from those before it.
FLOORS = (
    "engine",
    "support",
    "schedules",
    "privacy",
    "data",
    "preparation",
    "layers",
    "losses",
    "optimizers",
    "metrics",
    "exchange",
    "models",
    "callbacks",
    "distributed",
    "training",
    "ensembles",
    "explanations",
    "tabular",
    "inspection",
    "__init__",
    "sklearn",
    "commands",
    "demo",
    "cli",
    "__main__",
)

C_SOURCES = sorted((ROOT / "csrc").rglob("*.[ch]"))
CYTHON_SOURCES = sorted([*PACKAGE.rglob("*.pyx"), *PACKAGE.rglob("*.pxd")])
PYTHON_SOURCES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    return str(path.relative_to(ROOT))


def floor_of(module):
    """The number of the floor of "fastbp.x.y", by its x; the package itself hands on its public names."""
    top = module.split(".")[1] if "." in module else "__init__"
    return FLOORS.index(top if top in FLOORS else "__init__")


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    """The fastbp modules that a Python file imports, wherever in the file."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                base = package.split(".")[: len(package.split(".")) - node.level + 1]
                origin = ".".join([*base, origin] if origin else base)
            names = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "fastbp":
                yield name


@functools.cache
def graph():
    """Every module, and those that it imports anywhere, type checking included, Cython's cimports too."""
    modules = {module_of(path): path for path in [*PYTHON_SOURCES, *CYTHON_SOURCES]}
    arrows = {module: set() for module in modules}
    for path in PYTHON_SOURCES:
        for imported in imports_of(path):
            target = imported if imported in modules else imported.rpartition(".")[0]
            arrows[module_of(path)].add(target)
    for path in CYTHON_SOURCES:
        arrows[module_of(path)].update(
            re.findall(r"^\s*from\s+(fastbp[\w.]*)\s+c?import", without_comments(path), re.MULTILINE)
        )
    return {module: targets - {module} for module, targets in arrows.items()}


def find_circle(arrows):
    """One circle of modules that import each other, [] without one."""
    done, way = set(), []

    def visit(module):
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        way.append(module)
        for target in sorted(arrows.get(module, ())):
            if circle := visit(target):
                return circle
        done.add(way.pop())
        return []

    for module in arrows:
        if circle := visit(module):
            return circle
    return []


def package_of(path):
    """The folder that a module lives in; a module beside the folders is a package of its own."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0]


def private_names(tree):
    """The private names that a file defines: functions, methods, attributes of self or cls, class variables."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def private_uses(tree):
    """The private names of others that a file uses: attributes of what is not self or cls, and imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        ):
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastbp"):
            yield from (alias.name for alias in node.names)


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def without_comments(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix in {".c", ".h"}:
        return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    return re.sub(r'"""(?:.|\n)*?"""|#[^\n]*', " ", text)


def test_all_floors_are_there():
    assert C_SOURCES
    assert CYTHON_SOURCES
    assert PYTHON_SOURCES


@pytest.mark.parametrize("path", PYTHON_SOURCES, ids=name_of)
def test_python_imports_only_downward(path):
    floor = floor_of(module_of(path))
    for imported in imports_of(path):
        below = floor_of(imported)
        assert below <= floor, f"{name_of(path)} ({FLOORS[floor]}) imports {imported} ({FLOORS[below]})"


@pytest.mark.parametrize("path", CYTHON_SOURCES, ids=name_of)
def test_cython_imports_only_the_engine(path):
    for imported in re.findall(r"^\s*(?:from|c?import)\s+(fastbp[\w.]*)", without_comments(path), re.MULTILINE):
        assert imported.startswith("fastbp.engine."), f"{name_of(path)} imports {imported}"


def test_every_folder_has_a_floor():
    entries = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert entries == set(FLOORS)
    assert len(entries) <= 25


def test_no_module_imports_itself_by_way_of_others():
    assert find_circle(graph()) == []


def test_no_package_uses_what_is_private_to_another():
    own = {}
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PYTHON_SOURCES}
    for path, tree in trees.items():
        own.setdefault(package_of(path), set()).update(private_names(tree))
    for path, tree in trees.items():
        used = {name for name in private_uses(tree) if is_private(name)}
        foreign = used & set().union(*own.values()) - own[package_of(path)]
        assert not foreign, f"{name_of(path)} uses {sorted(foreign)}"


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")))
def test_each_folder_says_what_it_is_and_what_it_imports(folder):
    """The docstring of its __init__.py lists the imports as they are."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / folder / "__init__.py").read_text(encoding="utf-8")))
    what, _, imports = docstring.replace("\n", " ").partition("It imports ")
    assert len(what) > 30
    said = set(re.split(r", | and ", imports[: re.search(r"[.:]", imports).start()])) - {"nothing"}
    own = {module: targets for module, targets in graph().items() if module.split(".")[1:2] == [folder]}
    top = {target.split(".")[1] if "." in target else "fastbp" for target in set().union(*own.values())}
    assert said == top - {folder}


def test_only_the_kernels_module_links_csrc():
    """Every other Cython module gets the kernels from the kernels module's table, through its .pxd."""
    for path in CYTHON_SOURCES:
        if path.stem != "kernels":
            assert "fastbp.h" not in without_comments(path), f"{name_of(path)} includes the kernels' header itself"


FORBIDDEN_IN_C = {
    "OpenMP": r"#\s*pragma\s+omp|\bomp_\w+|<omp\.h>|_OPENMP",
    "a thread": r"\bpthread_\w+|<pthread\.h>|<threads\.h>|\bthrd_\w+|\bCreateThread\b",
    "an allocation": r"\b(?:malloc|calloc|realloc|free|aligned_alloc|posix_memalign|_mm_malloc|alloca)\s*\(",
    "Python": r"\bPython\.h\b|\bPy[A-Z_]\w*",
}


@pytest.mark.parametrize("path", C_SOURCES, ids=name_of)
@pytest.mark.parametrize("what", FORBIDDEN_IN_C)
def test_kernels_know_nothing_above(path, what):
    found = re.search(FORBIDDEN_IN_C[what], without_comments(path))
    assert found is None, f"{name_of(path)} has {what}: {found[0]!r}"


@pytest.mark.parametrize("path", [*CYTHON_SOURCES, *PYTHON_SOURCES], ids=name_of)
def test_intrinsics_stay_in_c(path):
    found = re.search(
        r"\b_mm\d*_\w+|\b__m\d+\w*|\bv(?:ld1|st1|fma|mla|add|mul)q?_\w+|\bimmintrin|\barm_neon", path.read_text()
    )
    assert found is None, f"{name_of(path)} has the intrinsic {found[0]!r}"


@pytest.mark.parametrize("path", PYTHON_SOURCES, ids=name_of)
def test_python_never_links_c(path):
    """The library calls the engine; it does not reach around it."""
    assert not re.search(r"\b(?:import|from)\s+(?:ctypes|cffi)\b", path.read_text(encoding="utf-8"))


def test_the_test_itself_can_fail(tmp_path):
    """An upward import, a circle, a private name and a malloc are found where they are."""
    assert floor_of("fastbp.engine.session") < floor_of("fastbp.models.model") < floor_of("fastbp.cli")
    assert set(find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == {"b", "c"}
    assert set(private_uses(ast.parse("other._x; self._y; from fastbp.a import _z"))) == {"_x", "_z"}
    source = tmp_path / "kernel.c"
    source.write_text("/* malloc(1) */ void f(void) { malloc(1); }")
    assert re.search(FORBIDDEN_IN_C["an allocation"], without_comments(source))
    source.write_text("/* malloc(1) */ void f(void) { }  // omp_get_num_threads()")
    assert not any(re.search(pattern, without_comments(source)) for pattern in FORBIDDEN_IN_C.values())
