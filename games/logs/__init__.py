"""Evaluation logs: the canonical table of generations, and readers of what evaluation tools write.

Parquet files and zstd archives need the extra ``logs`` (pyarrow, zstandard), imported only when such a file is read.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from games.logs.common import common_questions as common_questions
    from games.logs.parquet import read_table as read_table
    from games.logs.parquet import write_table as write_table
    from games.logs.read import Logs as Logs
    from games.logs.read import Progress as Progress
    from games.logs.read import convert_logs as convert_logs
    from games.logs.read import read_logs as read_logs
    from games.logs.read import read_report as read_report
    from games.logs.report import ReadReport as ReadReport
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
        "common": ["common_questions"],
        "parquet": ["read_table", "write_table"],
        "read": ["Logs", "Progress", "convert_logs", "read_logs", "read_report"],
        "report": ["ReadReport"],
        "table": ["CELL", "COLUMNS", "KEY", "cells", "logs_table", "refuse_duplicates", "settle_unscored"],
    },
)
