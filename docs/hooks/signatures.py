"""What griffe, which reads the source for the reference, does not know of it.

The fields of a frozen module or a named tuple are the arguments of its constructor, the members of an enumeration are what
it is about, and a section of examples is headed ``Example``.
"""

import re

import griffe

FIELD_CLASSES = ("Module", "NamedTuple")
ENUMERATIONS = ("Enum", "IntEnum", "StrEnum")


class ModuleSignatures(griffe.Extension):
    """Gives classes derived from ``equinox.Module`` or ``typing.NamedTuple`` the ``__init__`` that their fields imply."""

    def on_package(self, *, pkg: griffe.Module, **kwargs) -> None:
        """Visit all classes of a package that was loaded."""
        for module in _modules(pkg):
            for member in module.members.values():
                if not member.is_alias and member.is_class and "__init__" not in member.members:
                    _add_init(member)
                    _list_members(member)

    def on_object(self, *, obj: griffe.Object, **kwargs) -> None:
        """Visit every object on its own."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)


def _modules(module: griffe.Module):
    """The module and all below it."""
    yield module
    for member in module.members.values():
        if not member.is_alias and member.is_module:
            yield from _modules(member)


def _lineage(cls: griffe.Class) -> list[griffe.Class] | None:
    """The class and its bases, base first, if they end in a class of fields; else None."""
    found = [cls]
    for base in cls.bases:
        name = getattr(base, "canonical_path", str(base)).rpartition(".")[2]
        if name in FIELD_CLASSES:
            return found
        try:
            parent = cls.modules_collection[base.canonical_path]
        except (KeyError, AttributeError):
            continue
        parent = parent.final_target if parent.is_alias else parent
        above = _lineage(parent) if parent.is_class else None
        if above is not None:
            return [*above, cls]
    return None


def _add_init(cls: griffe.Class) -> None:
    """Set ``__init__`` from the annotated fields, those of bases first."""
    parameters = {}
    for ancestor in _lineage(cls) or []:
        if "__init__" in ancestor.members:
            return
        for name, member in ancestor.members.items():
            if member.is_attribute and member.annotation is not None and "property" not in member.labels:
                parameters[name] = griffe.Parameter(
                    name,
                    annotation=member.annotation,
                    kind=griffe.ParameterKind.positional_or_keyword,
                    default=_default(member.value),
                )
    if parameters:
        itself = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
        init = griffe.Function(
            "__init__",
            lineno=0,
            endlineno=0,
            parameters=griffe.Parameters(itself, *parameters.values()),
            returns="None",
        )
        cls.set_member("__init__", init)


def _list_members(cls: griffe.Class) -> None:
    """Append the members of an enumeration to its docstring."""
    bases = {str(base).rpartition(".")[2] for base in cls.bases}
    if cls.docstring and bases & set(ENUMERATIONS):
        members = [
            f"`{name}` (`{member.value}`)"
            for name, member in cls.members.items()
            if member.is_attribute and member.value
        ]
        cls.docstring.value += "\n\nMembers: " + ", ".join(members) + "."


def _default(value):
    """Default of a field: ``eqx.field(static=True)`` alone is none."""
    text = str(value) if value is not None else ""
    if "field(" not in text:
        return value
    for argument in getattr(value, "arguments", []):
        if getattr(argument, "name", "") == "default":
            return argument.value
        if getattr(argument, "name", "") == "default_factory":
            return f"{argument.value}()"
    return None
