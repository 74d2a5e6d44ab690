"""Text files of logs, line by line: gzip or plain, strict UTF-8, with the line's number in every complaint."""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from games.errors import InputError

_GZIP = b"\x1f\x8b"
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK": "a zip archive", b"\x28\xb5\x2f\xfd": "zstd-compressed"}
_TELL_EVERY = 256  # lines; asking a file for its position costs as much as reading a line
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Line:
    """One line of text: its number in the file, from 1, and how much of the file has been read by then."""

    number: int
    text: str
    fraction: float


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A binary file for reading; a folder, a missing or an empty file is refused."""
    try:
        file = open(path, "rb")  # noqa: SIM115  (closed below; the errors of opening it are worded here)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    with file:
        yield file


def read_lines(path: Path, *, blank: bool = False) -> Iterator[Line]:
    """The lines, without blank ones unless ``blank``.

    Raises:
        InputError: names the file and the line that is not UTF-8, or where a gzip file breaks off.
    """
    size = max(path.stat().st_size, 1) if path.exists() else 1
    with opened(path) as raw:
        head = raw.read(4)
        raw.seek(0)
        for mark, what in _MARKS.items():
            if head.startswith(mark):
                raise InputError(f"{path}: is {what}, not UTF-8 text; unpack it or save it as UTF-8")
        packed = head.startswith(_GZIP)
        file = gzip.open(raw) if packed else raw  # noqa: SIM115  (closed with the file below it)
        number, fraction = 0, 0.0
        try:
            for number, data in enumerate(file, start=1):
                if number == 1:
                    data = data.removeprefix(_UTF8_MARK)
                if number % _TELL_EVERY == 0:
                    fraction = min(raw.tell() / size, 1.0)
                if blank or data.strip():
                    yield Line(number, _decoded(path, number, data), fraction)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            place = f"{path}, after line {number}"
            raise InputError(f"{place}: the gzip file is damaged or cut off ({error}); copy it again") from None


def read_whole(path: Path, *, limit: int = -1) -> bytes:
    """The contents of a file, unpacked where it is gzip; the first ``limit`` bytes of them.

    Raises:
        InputError: the file is missing, or a gzip file that breaks off.
    """
    with opened(path) as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        try:
            return (gzip.open(raw) if packed else raw).read(limit)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path}: the gzip file is damaged or cut off ({error}); copy it again") from None


def _decoded(path: Path, number: int, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        place = f"{path}, line {number}"
        raise InputError(
            f"{place}: byte {byte:#04x} at column {error.start + 1} is not UTF-8; save the file as UTF-8"
        ) from None


def json_object(text: str) -> dict[str, Any]:
    """The JSON object of one line.

    Raises:
        ValueError: says what it is instead; the caller knows file and line.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from None
    except RecursionError:
        raise ValueError("not JSON that can be read (nested too deeply)") from None
    if not isinstance(value, dict):
        raise ValueError(f"a JSON {type(value).__name__}, not an object")
    return value
