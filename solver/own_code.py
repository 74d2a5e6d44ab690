"""Code of the user's own, named as ``module:attribute``: the current folder is looked in first."""

import importlib
import sys
from typing import Any

from games.errors import InputError


def own_code(place: str) -> Any:
    """What a module of the user's own, a file in the current folder or an installed one, calls by that name.

    Args:
        place: ``module:attribute``.

    Raises:
        InputError: no such module, one that cannot be imported, or one without that name; the text says which.

    Example:
        >>> own_code("math:sqrt")(9.0)
        3.0
    """
    module, _, attribute = place.partition(":")
    # The console command does not put the current folder on the path, as ``python -m`` does.
    sys.path.insert(0, "")
    importlib.invalidate_caches()
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"{place}: not found ({error}); write module:name, of a file module.py in the current folder or an installed module"
        ) from None
    finally:
        sys.path.remove("")
