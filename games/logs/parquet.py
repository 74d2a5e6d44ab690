"""The canonical table as a Parquet file, written beside its place and moved there whole, or not at all."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from games.errors import InputError
from games.logs.extras import need
from games.logs.table import COLUMNS, LATER, REQUIRED, logs_table

VERSION = 1
_META = b"ttc_games_logs"
_ARROW = {"string": "string", "Int64": "int64", "boolean": "bool", "Float64": "double"}


class TableWriter:
    """Writes a Parquet file of canonical rows piece by piece; made by ``table_writer``."""

    def __init__(self, file: Any):
        self._pa = need("pyarrow", "Parquet file")
        self._parquet = need("pyarrow.parquet", "Parquet file")
        fields = [(name, self._pa.type_for_alias(_ARROW[dtype])) for name, dtype in COLUMNS.items()]
        self._schema = self._pa.schema(fields)
        self._writer = self._parquet.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, table: pd.DataFrame) -> None:
        """Add rows."""
        if len(table):
            self._writer.write_table(self._pa.Table.from_pandas(table, schema=self._schema, preserve_index=False))

    def close(self, note: dict[str, Any]) -> None:
        """End the file; the note, any JSON, is kept in its metadata."""
        text = json.dumps({"version": VERSION, **note}, allow_nan=False)
        self._writer.add_key_value_metadata({_META: text.encode()})
        self.abandon()

    def abandon(self) -> None:
        """Let go of the file, as it is; nothing where it has been ended."""
        self._writer.close()


@contextmanager
def table_writer(path: str | Path) -> Iterator[TableWriter]:
    """A writer whose file takes its place only when the block ends without an error.

    Raises:
        InputError: the folder cannot be written to, or pyarrow is missing.
    """
    path = Path(path)
    need("pyarrow", str(path))
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
    try:
        with os.fdopen(handle, "wb") as file:
            writer = TableWriter(file)
            try:
                yield writer
            finally:
                writer.abandon()
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
    finally:
        Path(name).unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: str | Path, *, note: dict[str, Any] | None = None) -> None:
    """Write a canonical table as Parquet.

    Args:
        table: canonical rows, see ``games.logs.table``.
        path: the file; a file that is there is replaced at the end, and kept where anything goes wrong.
        note: JSON to keep with the table.

    Raises:
        InputError: the place cannot be written to, or pyarrow is missing.

    Example:
        >>> table = logs_table({"question_id": ["a", "b"], "model": "Ada", "correct": [1, 0]})
        >>> write_table(table, "table.parquet")
        >>> read_table("table.parquet").equals(table)
        True
    """
    with table_writer(path) as writer:
        writer.write(logs_table(table, source="table"))
        writer.close(note or {})


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a canonical table that ``write_table`` or ``convert_logs`` wrote.

    Args:
        path: the file.

    Returns:
        The rows, with ``COLUMNS`` and a plain index.

    Raises:
        InputError: the file is no Parquet file, or one of other columns.

    Example:
        >>> write_table(logs_table({"question_id": ["a"], "model": "Ada", "correct": [1]}), "one.parquet")
        >>> read_table("one.parquet")[["model", "correct"]].values.tolist()
        [['Ada', True]]
    """
    path = Path(path)
    file = _file(path)
    have = [name for name in COLUMNS if name in file.schema_arrow.names]
    missing = [name for name in COLUMNS if name not in have and name not in LATER]
    if missing:
        advice = "make the table from it with `ttc-games ingest`"
        raise InputError(f"{path}: no table of logs, column {missing[0]!r} is missing; {advice}")
    return logs_table(_frame(file.read(columns=have)), source=str(path))


def read_note(path: str | Path) -> dict[str, Any]:
    """The JSON kept with a table; empty where there is none."""
    metadata = _file(Path(path)).schema_arrow.metadata or {}
    footer = _file(Path(path)).metadata.metadata or {}
    text = footer.get(_META, metadata.get(_META))
    return json.loads(text) if text else {}


def batches(path: Path, rows: int) -> Iterator[tuple[pd.DataFrame, float]]:
    """The rows of any Parquet file in pieces, each with the fraction read by then."""
    file = _file(path)
    total, done = max(file.metadata.num_rows, 1), 0
    for batch in file.iter_batches(batch_size=rows):
        done += batch.num_rows
        yield _frame(batch), done / total
    if done == 0:
        yield pd.DataFrame({name: [] for name in (*REQUIRED, *file.schema_arrow.names)}), 1.0


def _file(path: Path) -> Any:
    arrow, parquet = need("pyarrow", str(path)), need("pyarrow.parquet", str(path))
    try:
        return parquet.ParquetFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except (arrow.ArrowInvalid, OSError) as error:
        detail = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: not a readable Parquet file ({detail}); write or copy it again") from None


def _frame(table: Any) -> pd.DataFrame:
    """Nullable columns: a missing count must not turn its column into floating point."""
    arrow = need("pyarrow", "Parquet file")
    nullable = {
        arrow.string(): pd.StringDtype(),
        arrow.large_string(): pd.StringDtype(),
        arrow.int64(): pd.Int64Dtype(),
        arrow.int32(): pd.Int32Dtype(),
        arrow.bool_(): pd.BooleanDtype(),
        arrow.float64(): pd.Float64Dtype(),
        arrow.float32(): pd.Float32Dtype(),
    }
    return table.to_pandas(types_mapper=nullable.get)
