"""Do imports point down, and does everybody outside core keep to its public names?

The table is `layers.toml`. Imports are read from the syntax tree, so those inside functions count
like all others, and so do those under `TYPE_CHECKING`, except that a third-party package which
only the type checker sees is no dependency.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tools.checks.sources import CORE, ROOT, files_with, name_of

PACKAGE = "elanus"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, with the names taken from it; empty for a plain `import`."""

    line: int
    module: str
    names: tuple[str, ...] = ()
    for_types_only: bool = False


def imports_of(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[Import]:
    """Yield the imports in ``tree``; relative ones are resolved against ``module``."""
    unseen_at_run_time = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        for_types = node in unseen_at_run_time
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, (), for_types)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                kept = parts[: len(parts) - node.level + is_package]
                base = ".".join([*kept, base]).strip(".")
            yield Import(node.lineno, base, tuple(alias.name for alias in node.names), for_types)


@dataclass(frozen=True, slots=True)
class LayerTable:
    """The rules of `layers.toml`."""

    core: dict[str, list[str]]
    core_extra: dict[str, list[str]]
    third_party: dict[str, list[str]]
    public_modules: list[str]

    def may_import(self, importer: str, target: str) -> bool:
        """Return whether core's module ``importer`` may import core's ``target``.

        Both without the leading "elanus."; the root package is "elanus".
        """
        package = importer.split(".")[0]
        if target.split(".")[0] == package:
            return True
        allowed = self.core.get(package, []) + self.core_extra.get(importer, [])
        return any(covers(name, target) for name in allowed)

    def may_use(self, importer: str, third_party: str) -> bool:
        """Return whether core's module ``importer`` may import the package ``third_party``."""
        allowed = self.third_party.get(third_party, [])
        return any(name == "*" or covers(name, importer) for name in allowed)


def covers(allowed: str, module: str) -> bool:
    """Return whether ``allowed`` names ``module`` or a package around it."""
    return module == allowed or module.startswith(allowed + ".")


@cache
def settings() -> dict[str, Any]:
    """Return `layers.toml` as it stands."""
    return tomllib.loads((Path(__file__).parent / "layers.toml").read_text("utf-8"))


def read_table() -> LayerTable:
    """Return the rules for core."""
    loaded = settings()
    public = loaded["public"]["modules"]
    return LayerTable(loaded["core"], loaded["core_extra"], loaded["third_party"], public)


def module_name(file: Path, source_root: Path) -> str:
    """Return the dotted name of ``file`` below ``source_root``."""
    parts = list(file.relative_to(source_root).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


@cache
def core_modules() -> frozenset[str]:
    """Return the dotted names of all modules of core, the extension included."""
    names = {module_name(file, CORE.parent) for file in CORE.rglob("*.py")}
    return frozenset(names | {f"{PACKAGE}._native"})


def inner_name(module: str) -> str:
    """Return a core module's name as the table writes it."""
    return module.removeprefix(PACKAGE + ".")


def full_name(inner: str) -> str:
    """Return the name that a core module is imported by."""
    return inner if inner == PACKAGE else f"{PACKAGE}.{inner}"


def targets(found: Import, modules: frozenset[str]) -> list[str]:
    """Return the modules of core that an import reaches: `from elanus.x import y` may mean x.y."""
    if not found.names:
        return [found.module]
    candidates = [f"{found.module}.{name}" for name in found.names]
    return sorted({name if name in modules else found.module for name in candidates})


def problems_in_core(text: str, module: str, table: LayerTable, *, is_package: bool) -> list[str]:
    """Return `line: reason` for every import of a core module that the table forbids."""
    importer, modules, problems = inner_name(module), core_modules(), []
    for found in imports_of(ast.parse(text), module, is_package=is_package):
        top = found.module.split(".")[0]
        if top != PACKAGE:
            free = top in sys.stdlib_module_names or found.for_types_only
            if not free and not table.may_use(importer, top):
                problems.append(f"{found.line}: {importer} may not import {top}")
            continue
        problems += [
            f"{found.line}: {importer} may not import {full_name(target)}"
            for target in map(inner_name, targets(found, modules))
            if not table.may_import(importer, target)
        ]
    return problems


def public_names() -> frozenset[str]:
    """Return what `elanus.__all__` lists."""
    return names_in_all(CORE / "__init__.py")


def names_in_all(file: Path) -> frozenset[str]:
    """Return the literal `__all__` of a module; empty when it has none."""
    for node in ast.parse(file.read_text("utf-8")).body:
        values = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        names = node.targets if isinstance(node, ast.Assign) else []
        is_all = any(isinstance(name, ast.Name) and name.id == "__all__" for name in names)
        if is_all and isinstance(values, ast.List | ast.Tuple):
            listed = (one.value for one in values.elts if isinstance(one, ast.Constant))
            return frozenset(name for name in listed if isinstance(name, str))
    return frozenset()


def hidden_parts(found: Import, public: frozenset[str], table: LayerTable) -> list[str]:
    """Return what an import outside core takes from elanus that is not public."""
    if found.module == PACKAGE:
        reachable = public | set(table.public_modules)
        return [f"{PACKAGE}.{name}" for name in found.names if name not in reachable]
    if not found.module.startswith(PACKAGE + "."):
        return []
    inside = inner_name(found.module)
    if not any(covers(name, inside) for name in table.public_modules):
        return [found.module]
    private = [name for name in found.names if name.startswith("_")]
    return [f"{found.module}.{name}" for name in private]


def problems_outside(text: str, public: frozenset[str], table: LayerTable) -> list[str]:
    """Return `line: reason` for every use of a name of elanus that is not public."""
    tree, hidden = ast.parse(text), []
    reachable = public | {*table.public_modules, "__version__"}
    for found in imports_of(tree, "", is_package=False):
        hidden += [(found.line, name) for name in hidden_parts(found, public, table)]
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    for node in attributes:
        of_elanus = isinstance(node.value, ast.Name) and node.value.id == PACKAGE
        if of_elanus and node.attr not in reachable:
            hidden.append((node.lineno, f"{PACKAGE}.{node.attr}"))
    return [f"{line}: {name} is not a public name of elanus" for line, name in sorted(hidden)]


def check_layers() -> list[str]:
    """Return every import that breaks the layer table."""
    table, public, problems = read_table(), public_names(), []
    outside = [
        folder for pattern in settings()["public"]["folders"] for folder in ROOT.glob(pattern)
    ]
    for file in files_with([".py"]):
        text = file.read_text("utf-8")
        if CORE in file.parents:
            module, is_package = module_name(file, CORE.parent), file.name == "__init__.py"
            found = problems_in_core(text, module, table, is_package=is_package)
        elif any(folder in file.parents for folder in outside):
            found = problems_outside(text, public, table)
        else:
            continue
        problems += [f"{name_of(file)}:{one}" for one in found]
    return problems
