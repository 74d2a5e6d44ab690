"""Members of a zip archive, those compressed with zstd (method 93) too, which Python's zipfile reads only from 3.14 on."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from games.errors import InputError
from games.logs.extras import need

ZSTD = 93
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, …, length of the name, length of the extra field


def read_members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The contents of the named members; one that is not there is left out.

    Raises:
        InputError: no zip archive, a damaged one, or one that is cut off.
    """
    return dict(stream_members(path, lambda name: name in names))


def stream_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the members whose name is wanted, one at a time.

    Source of the layout: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7 and 4.4.5.

    Raises:
        InputError: no zip archive, a damaged one, or one that is cut off.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if wanted(name):
                    yield name, _member(archive, path, name)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: the zip archive is damaged or cut off ({error}); copy the log again") from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


def _member(archive: zipfile.ZipFile, path: Path, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != ZSTD:
        try:
            return archive.read(name)
        except (zlib.error, EOFError, NotImplementedError) as error:
            raise zipfile.BadZipFile(f"{name}: {error}") from None
    zstandard = need("zstandard", str(path))
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise zipfile.BadZipFile(f"{name} is not where the directory says")
        _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        file.seek(name_length + extra_length, io.SEEK_CUR)
        packed = file.read(info.compress_size)
    try:
        # A long member is written as several zstd frames in a row.
        with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as stream:
            data = stream.read()
    except zstandard.ZstdError as error:
        raise zipfile.BadZipFile(f"{name}: {error}") from None
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile(f"{name}: wrong checksum")
    return data
