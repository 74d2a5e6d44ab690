"""The report: one self-contained page on any markets, with its tables as CSV and JSON, its charts as SVG and PDF.

Needs the extra ``report`` (vl-convert-python, jinja2), which is imported only when a report is written.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from solver.report.write import write_report as write_report

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"write": ["write_report"]})
