"""Messages about logs and levels, which speak of Python arguments, in the options of the command line."""

import functools
import re
from collections.abc import Callable
from typing import Any

_OPTION = {"columns": "column", "constants": "constant", "aliases": "alias"}
_LEVELS = "majority|best_of_n|pass_at_k|given|token_cap|effort_quantile"
_NAMES = {"token_cap": "token-caps", "effort_quantile": "quantiles"}


def _mapping(found: re.Match[str]) -> str:
    name, key, value = found["name"], found["key"], found["value"].strip("'\"")
    return f"--{_OPTION[name]} {key}={'...' if value == '...' else value}"


# What a message says, and what it says to somebody at a command line, in this order.
_RULES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (
        r"give both as functions of the text: read_logs\(.*$",
        "give both as functions of yours: --scorer MODULE:FUNCTION --count-tokens MODULE:FUNCTION",
    ),
    (r"\b(?P<name>columns|constants|aliases)=\{(?P<q>['\"])(?P<key>.+?)(?P=q): (?P<value>.+?)\}", _mapping),
    (
        r"\b(bad_lines|duplicates|errored|score)='([^']*)'",
        lambda found: f"--{found[1].replace('_', '-')} {found[2]}",
    ),
    (r"\b(format|filter|score|threshold)=(?=[,;\s]|$)", r"--\1"),
    (r"name one with benchmark$", "name one with --benchmark"),
    (rf"\b({_LEVELS})_levels\b", lambda found: f"--levels {_NAMES.get(found[1], found[1].replace('_', '-'))}"),
    (r"the column map wants", "--column wants"),
    (r"(?:in the|with a) column map", "with --column"),
    (r"say from which threshold on they are right", "say with --threshold from where on they are right"),
    (
        r"give a table of prices \((.*?)\) or allow genai-prices",
        r"give a table of prices (\1) with --prices, or --genai-prices",
    ),
    (r"leave batch out", "leave --batch-prices out"),
    (r"stand in with recorded=True", "stand in with --recorded-costs"),
    (r"with common_questions\(table\)", "with --common-questions"),
    (r"add it to your own table of prices\b", "add it to the table of --prices"),
)


def in_options(text: str) -> str:
    """A message of ``games.logs``, ``games.sampling`` or ``games.prices`` in the words of the command line.

    Example:
        >>> in_options("name it with columns={'question_id': ...}, or leave bad lines out with bad_lines='count'")
        'name it with --column question_id=..., or leave bad lines out with --bad-lines count'
    """
    for pattern, words in _RULES:
        text = re.sub(pattern, words, text)
    return text


def told_in_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let errors of a function that reads logs speak of options."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        from games.errors import InputError

        try:
            return command(*arguments, **options)
        except InputError as error:
            raise InputError(in_options(str(error))) from None

    return run
