"""Which names are public, where they are defined, and what their docstrings lack; read from the source, nothing is imported.

``complaints`` is what the site's build refuses to go on with. Run by itself it prints them:
``python docs/hooks/public_names.py``.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("games", "games.logs", "games.sampling", "solver", "solver.mechanisms")
INDEX = "docs/reference/api.md"
ABSENT = "is not defined where the package takes it from"
UNDOCUMENTED = "has no docstring of its own"


@dataclass(frozen=True)
class Area:
    """A section of the index of names, which becomes a page of the reference.

    Args:
        title: heading of the section.
        introduction: what stands between heading and table, in Markdown.
        names: dotted public names, in order.
    """

    title: str
    introduction: str
    names: tuple[str, ...]

    @property
    def page(self) -> str:
        """Path of the page below docs/."""
        return f"reference/api/{self.title.lower().replace(' ', '-')}.md"


def areas(root: Path) -> list[Area]:
    """The sections of the index of names, one page of the reference each."""
    found = []
    for section in re.split(r"^## +", (root / INDEX).read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        introduction = text.partition("\n|")[0].strip()
        names = tuple(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE))
        found.append(Area(title.strip(), introduction, names))
    return found


def public_names(root: Path) -> dict[str, str]:
    """Every public name, and the dotted path of its definition."""
    found = {}
    for package in PACKAGES:
        found.update({f"{package}.{name}": path for name, path in _exports(root, package).items()})
    return found


def _exports(root: Path, package: str) -> dict[str, str]:
    """What a package hands out, and where each name is defined."""
    folder = root / package.replace(".", "/")
    stub = next(path for path in (folder / "__init__.pyi", folder / "__init__.py") if path.exists())
    found = {}
    for node in ast.walk(ast.parse(stub.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = f"{package}.{node.module}" if node.level else str(node.module)
            inner = _exports(root, module) if (root / module.replace(".", "/")).is_dir() else {}
            # Re-exported, as type checkers read it: `import name as name`.
            exported = [alias.name for alias in node.names if alias.asname == alias.name]
            found.update({name: inner.get(name, f"{module}.{name}") for name in exported})
    return found


def definitions(root: Path) -> dict[str, str]:
    """Where every public name, and every further name of the index, is defined."""
    public = public_names(root)
    listed = [name for area in areas(root) for name in area.names]
    return {**{name: name for name in listed}, **public}


def complaints(root: Path) -> list[str]:
    """What is undocumented: names without a row, rows without a name, docstrings that lack something."""
    listed = [name for area in areas(root) for name in area.names]
    public = public_names(root)
    found = [f"{name}: has no row in {INDEX}" for name in public if name not in listed]
    found += [
        f"{name}: has {listed.count(name)} rows in {INDEX}" for name in sorted(set(listed)) if listed.count(name) > 1
    ]
    for name, path in definitions(root).items():
        lacks = _lacks(root, path)
        # Names that only the index lists (tools for authors of solvers) need a docstring, and not all its sections.
        found += [
            f"{name}: {complaint}" for complaint in lacks if name in public or complaint in (ABSENT, UNDOCUMENTED)
        ]
    return found


def _lacks(root: Path, path: str) -> list[str]:
    """What the docstring of one definition lacks."""
    module, _, name = path.rpartition(".")
    file = root / (module.replace(".", "/") + ".py")
    body = ast.parse(file.read_text("utf-8")).body if file.exists() else []
    for node, after in zip(body, [*body[1:], None], strict=False):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            text = ast.get_docstring(node) or ""
            if not text:
                return [UNDOCUMENTED]
            return _function_lacks(node, text) if isinstance(node, ast.FunctionDef) else _class_lacks(node, text)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            return [] if documented else ["has no docstring of its own (a string below the assignment)"]
    return [ABSENT]


def _function_lacks(node: ast.FunctionDef, text: str) -> list[str]:
    """Sections that the docstring of a function lacks."""
    arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    described = section[1] if section else ""
    found = [
        f"its docstring has no line for the argument {name!r} under Args"
        for name in arguments
        if not re.search(rf"^ +{name}(?: \(.*\))?:|^ +[\w, ]*\b{name}\b[\w, ]*:", described, re.MULTILINE)
    ]
    if any(isinstance(inner, ast.Raise) for inner in ast.walk(node)) and not re.search(
        r"^Raises:$", text, re.MULTILINE
    ):
        found.append("it raises and its docstring has no Raises")
    if ">>> " not in text:
        found.append("its docstring has no Example")
    return found


def _class_lacks(node: ast.ClassDef, text: str) -> list[str]:
    """Fields and methods of a class that are not described."""
    fields = [
        inner.target.id
        for inner in node.body
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name) and inner.target.id[0] != "_"
    ]
    found = [
        f"its docstring does not name the field {field!r}" for field in fields if not re.search(rf"\b{field}\b", text)
    ]
    methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef) and inner.name[0] != "_"]
    return found + [f"{method.name} has no docstring" for method in methods if not ast.get_docstring(method)]


if __name__ == "__main__":
    print("\n".join(complaints(Path(__file__).parents[2])) or "Every public name is documented.")
