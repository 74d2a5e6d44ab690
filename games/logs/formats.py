"""Which files are logs, and of what kind."""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from games.errors import InputError, unknown_name
from games.logs.chunk import Reader
from games.logs.flat import read_csv, read_jsonl, read_parquet_rows
from games.logs.inspect_log import read_eval, read_json, task_and_time
from games.logs.lines import json_object, opened, read_lines, read_whole
from games.logs.lm_eval import FIELDS, read_lm_eval
from games.logs.paper import read_paper

FORMATS: dict[str, Reader] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet_rows,
    "paper": read_paper,
    "inspect-eval": read_eval,
    "inspect-json": read_json,
    "lm-eval": read_lm_eval,
}
_ENDINGS = {".csv": "csv", ".parquet": "parquet", ".eval": "inspect-eval", ".json": "inspect-json", ".jsonl": "jsonl"}
_PAPER = ("qid", "correct", "model_name")
_HEAD = 4096  # bytes; an Inspect log says "eval" in its first lines
_PEEK = 20  # lines to look at for one that is an object


@dataclass(frozen=True)
class Source:
    """A file of logs and the name of its format."""

    path: Path
    format: str


def find_logs(paths: str | Path | Iterable[str | Path], form: str | None = None) -> tuple[list[Source], list[str]]:
    """The logs that the paths name, folders with all that is below them.

    Args:
        paths: files and folders.
        form: the format of every file, instead of looking at names and contents.

    Returns:
        The logs, and a word on each file of a folder that was passed over.

    Raises:
        InputError: a file that is named is no log, or there is none.
    """
    if form is not None and form not in FORMATS:
        raise unknown_name("format of logs", form, FORMATS)
    named = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    found: dict[Path, Source] = {}
    passed = []
    for path in named:
        if not path.is_dir():
            found.setdefault(path.resolve(), Source(path, form or _format(path)))
            continue
        for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")):
            if _ending(file) not in _ENDINGS:
                continue
            if form is None and (file.stat().st_size == 0 or (_ending(file) == ".json" and not _is_inspect(file))):
                passed.append(f"{file}: passed over, no log of a known kind")
            else:
                found.setdefault(file.resolve(), Source(file, form or _format(file)))
    if not found:
        where = ", ".join(map(str, named)) or "nothing was named"
        raise InputError(f"{where}: no logs; name files or folders with {', '.join(_ENDINGS)} files")
    sources, superseded = _newest(list(found.values()))
    return sources, passed + superseded


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _format(path: Path) -> str:
    """The format of a file by its name and, where that does not tell, by its first object."""
    kind = _ENDINGS.get(_ending(path))
    with opened(path) as file:
        head = file.read(1)
    if not head:
        raise InputError(f"{path}: the file is empty; leave it out")
    if kind is None:
        raise InputError(
            f"{path}: cannot tell what kind of log it is; name it with format=, one of {', '.join(FORMATS)}"
        )
    return _lines_format(path) if kind == "jsonl" else kind


def _lines_format(path: Path) -> str:
    for count, line in enumerate(read_lines(path)):
        try:
            fields = json_object(line.text)
        except ValueError:
            if count >= _PEEK:
                break
            continue
        if all(name in fields for name in FIELDS):
            return "lm-eval"
        return "paper" if all(name in fields for name in _PAPER) and isinstance(fields["correct"], list) else "jsonl"
    return "jsonl"


def _is_inspect(path: Path) -> bool:
    """Whether a JSON file of a folder is a log, not one of the other files that tools leave beside them."""
    try:
        return b'"eval"' in read_whole(path, limit=_HEAD)
    except InputError:
        return False


def _newest(sources: list[Source]) -> tuple[list[Source], list[str]]:
    """Drop runs of Inspect AI that were retried later: the retry's log holds their samples as well."""
    newest: dict[str, tuple[str, Source]] = {}
    keep = []
    told = []
    for source in sources:
        task = (
            task_and_time(source.path) if source.format == "inspect-eval" and zipfile.is_zipfile(source.path) else None
        )
        if task is None:
            keep.append(source)
            continue
        name, time = task
        if name not in newest:
            keep.append(source)
            newest[name] = (time, source)
            continue
        (_, old), (new_time, new) = sorted([newest[name], (time, source)], key=lambda pair: pair[0])
        newest[name] = (new_time, new)
        keep = [new if s is old else s for s in keep]
        told.append(f"{old.path}: passed over, {new.path} is a later run of the same task that took over its samples")
    return keep, told
