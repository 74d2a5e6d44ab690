"""Evaluation logs: the canonical table of generations, and readers of what evaluation tools write.

Parquet files and zstd archives need the extra ``logs`` (pyarrow, zstandard), imported only when such a file is read.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from games.logs.table import CELL as CELL
    from games.logs.table import COLUMNS as COLUMNS
    from games.logs.table import KEY as KEY
    from games.logs.table import cells as cells
    from games.logs.table import logs_table as logs_table
    from games.logs.table import refuse_duplicates as refuse_duplicates
    from games.logs.table import settle_unscored as settle_unscored

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "table": ["CELL", "COLUMNS", "KEY", "cells", "logs_table", "refuse_duplicates", "settle_unscored"],
    },
)
