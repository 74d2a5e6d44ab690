"""Packages that only some logs need, imported when they are."""

import importlib
from types import ModuleType

from games.errors import InputError


def need(package: str, what: str) -> ModuleType:
    """Import a package of the extra ``logs``.

    Raises:
        InputError: it is not installed; the text says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        name = package.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != name:
            raise
        raise InputError(f'{what}: {name} is not installed; run: pip install "ttc-games[logs]"') from None
