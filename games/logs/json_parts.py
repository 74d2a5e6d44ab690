"""Parts of logs that are JSON, with the place in every complaint."""

import json
from collections.abc import Mapping
from typing import Any

from games.errors import InputError


def object_of(parent: Mapping[str, Any], key: str, place: str) -> dict[str, Any]:
    """A part of a log that is an object; empty where it is missing or null.

    Raises:
        InputError: it is something else.

    Example:
        >>> object_of({"plan": {"steps": []}}, "plan", "log.json"), object_of({}, "plan", "log.json")
        ({'steps': []}, {})
    """
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{place}: {key} is {str(value)[:40]!r}, not an object; check the log")
    return value


def parse_json(data: bytes, place: str) -> Any:
    """The value of a JSON text.

    Raises:
        InputError: names the line that is not UTF-8 or not JSON.
    """
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{place}, line {line}: byte {data[error.start]:#04x} is not UTF-8; copy the log again"
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(f"{place}, line {error.lineno}: not JSON ({error.msg}); copy the log again") from None
    except RecursionError:
        raise InputError(f"{place}: not JSON that can be read (nested too deeply); copy the log again") from None
