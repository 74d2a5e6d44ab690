"""Errors that docstrings promise and nothing raises; read from the source, nothing is imported.

A docstring's ``Raises:`` names types of errors. Each must be raised in the function itself or in something that it
mentions: a function or class of these packages, directly or through others. What ``self.x`` means is looked up in the class and
its bases; ``x`` of any other object may be the method of any class that has one, unless an annotation names its class.
So a promise that is reported cannot be kept; one that passes may still be out of reach. Run by itself it prints the complaints:
``python docs/hooks/promised_errors.py``.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("games", "solver")
BASES = {"InputError": "ValueError", "PrecisionError": "RuntimeError"}


@dataclass
class Definition:
    """A function, method or class.

    Args:
        path: dotted module and name.
        promises: types of errors that its docstring names.
        raises: types that its own code raises.
        mentions: keys of definitions that its code mentions.
    """

    path: str
    promises: frozenset[str]
    raises: set[str] = field(default_factory=set)
    mentions: set[str] = field(default_factory=set)


@dataclass
class Module:
    """What names mean at the top of a module."""

    name: str
    tree: ast.Module
    means: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """What names mean in all modules.

    Args:
        exports: dotted names and what they stand for.
        classes: all classes by dotted name.
        methods: dotted names of all methods by their last name.
        returns: what functions are said to return, by name, where that is one name.
    """

    exports: dict[str, str]
    classes: dict[str, ast.ClassDef]
    methods: dict[str, set[str]]
    returns: dict[str, str]


def broken_promises(root: Path) -> list[str]:
    """Every promise that nothing keeps, as ``module.name promises Error``."""
    known = definitions(root)
    found = []
    for key, definition in sorted(known.items()):
        if not definition.promises:
            continue
        raised = _reachable(known, key)
        raised |= {BASES[name] for name in raised if name in BASES}
        found += [f"{definition.path} promises {name}" for name in sorted(definition.promises - raised)]
    return found


def definitions(root: Path) -> dict[str, Definition]:
    """All functions, methods and classes of the packages, with what they raise and mention."""
    modules = [_module(root, path) for package in PACKAGES for path in sorted(root.glob(f"{package}/**/*.py"))]
    exports = {f"{module.name}.{name}": meaning for module in modules for name, meaning in module.means.items()}
    classes: dict[str, ast.ClassDef] = {}
    methods: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                classes[f"{module.name}.{node.name}"] = node
                for name in _functions(node):
                    methods[name].add(f"{module.name}.{node.name}.{name}")
    returns = {
        node.name: node.returns.id
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name)
    }
    source = Source(exports, classes, methods, returns)
    known = {}
    for module in modules:
        for node in module.tree.body:
            key = f"{module.name}.{getattr(node, 'name', '')}"
            if isinstance(node, ast.FunctionDef):
                known[key] = _read(node, key, module, None, source)
            elif isinstance(node, ast.ClassDef):
                inner = _functions(node)
                for name, function in inner.items():
                    path = f"{key}.{name}"
                    known[path] = _read(function, path, module, key, source)
                made = Definition(key, _promises(node), set(), {f"{key}.{name}" for name in inner})
                for base in node.bases:
                    made.mentions |= {
                        _resolve(name.id, module, exports) for name in ast.walk(base) if isinstance(name, ast.Name)
                    }
                known[key] = made
    return known


def _module(root: Path, path: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    stub = path.with_suffix(".pyi")
    tree = ast.parse(path.read_text("utf-8"))
    module = Module(name, tree)
    package = name if parts[-1] == "__init__" else name.rpartition(".")[0]
    nodes = list(ast.walk(tree)) + (list(ast.walk(ast.parse(stub.read_text("utf-8")))) if stub.exists() else [])
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            source = f"{package}.{node.module}" if node.level else str(node.module)
            module.means.update({alias.asname or alias.name: f"{source}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Import):
            module.means.update({alias.asname or alias.name: alias.name for alias in node.names if alias.asname})
    module.means.update({node.name: f"{name}.{node.name}" for node in tree.body if hasattr(node, "name")})
    return module


def _functions(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {inner.name: inner for inner in node.body if isinstance(inner, ast.FunctionDef)}


def _promises(node: ast.FunctionDef | ast.ClassDef) -> frozenset[str]:
    text = ast.get_docstring(node) or ""
    section = re.search(r"^Raises:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return frozenset(re.findall(r"^ {4}(\w+):", section[1], re.MULTILINE)) if section else frozenset()


def _resolve(name: str, module: Module, exports: dict[str, str]) -> str:
    """The definition that a name stands for, through imports of imports."""
    meaning = module.means.get(name, "")
    for _ in range(5):
        if exports.get(meaning, meaning) == meaning:
            break
        meaning = exports[meaning]
    return meaning


def _read(
    node: ast.FunctionDef,
    path: str,
    module: Module,
    owner: str | None,
    source: Source,
) -> Definition:
    exports, classes, methods, returns = source.exports, source.classes, source.methods, source.returns
    made = Definition(path, _promises(node))

    def member(kind: str, name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """A method of a class or of its bases."""
        found = set()
        if kind in classes and kind not in seen:
            if name in _functions(classes[kind]):
                found.add(f"{kind}.{name}")
            home = kind.rpartition(".")[0]
            for base in classes[kind].bases:
                if isinstance(base, ast.Name):
                    found |= member(exports.get(f"{home}.{base.id}", ""), name, seen | {kind})
        return found

    kinds: dict[str, set[str]] = {}
    for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
        if argument.annotation is not None:
            names = {n.id for n in ast.walk(argument.annotation) if isinstance(n, ast.Name)}
            named = {_resolve(n, module, exports) for n in names}
            # A protocol stands for whoever implements it.
            concrete = {n for n in named if n in classes and not _is_protocol(classes[n])}
            foreign = named and not any(n in classes for n in named)
            if (concrete and concrete == {n for n in named if n in classes}) or foreign:
                kinds[argument.arg] = concrete
    called = {id(inner.func) for inner in ast.walk(node) if isinstance(inner, ast.Call)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Raise) and inner.exc is not None:
            made.raises.add(_raised(inner.exc, returns))
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            made.mentions.add(_resolve(inner.id, module, exports))
        elif isinstance(inner, ast.Attribute):
            value = inner.value
            if isinstance(value, ast.Name) and value.id in ("self", "cls") and owner:
                made.mentions |= member(owner, inner.attr) or (methods[inner.attr] if id(inner) in called else set())
            elif isinstance(value, ast.Name) and value.id in kinds:
                for kind in kinds[value.id]:
                    made.mentions |= member(kind, inner.attr)
            elif isinstance(value, ast.Name) and value.id in module.means:
                meaning = _resolve(value.id, module, exports)
                made.mentions.add(f"{meaning}.{inner.attr}")
                made.mentions.add(exports.get(f"{meaning}.{inner.attr}", ""))
            elif id(inner) in called:
                made.mentions |= methods[inner.attr]
    return made


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(isinstance(name, ast.Name) and name.id == "Protocol" for base in node.bases for name in ast.walk(base))


def _raised(exception: ast.expr, returns: dict[str, str]) -> str:
    """Type of what is raised: by its name, or by what the function that makes it is said to return."""
    function = exception.func if isinstance(exception, ast.Call) else exception
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return returns.get(name, name)


def _reachable(known: dict[str, Definition], start: str) -> set[str]:
    """Types raised by a definition or by anything that it mentions, directly or not."""
    raised, seen = set(), set()
    for definition in _walk(known, start, seen):
        raised |= definition.raises
    return raised


def _walk(known: dict[str, Definition], start: str, seen: set[str]) -> Iterator[Definition]:
    waiting = [start]
    while waiting:
        key = waiting.pop()
        if key not in seen and key in known:
            seen.add(key)
            yield known[key]
            waiting += known[key].mentions


if __name__ == "__main__":
    print("\n".join(broken_promises(Path(__file__).parents[2])) or "Every promised error can be raised.")
