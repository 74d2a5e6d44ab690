"""Charts as files, drawn by helper processes: turning a specification into SVG and PDF takes longer than solving a market.

A helper is ``python -m solver.report.charts.export``. It reads one order a line from its standard input, in JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from solver.report.charts.chart import Chart
from solver.report.charts.theme import to_pdf, to_svg
from solver.report.palette import Look

MOST_HELPERS = 4


class Exporter:
    """Writes charts as ``STEM.svg`` and ``STEM.pdf`` while the caller goes on; leaving the block waits for all of them.

    Args:
        looks: of every provider.
        helpers: number of processes; by default one for each core, at most four.

    Raises:
        RuntimeError: on leaving, if a helper failed; its last words are in the message.
    """

    def __init__(self, looks: Mapping[str, Look], helpers: int | None = None) -> None:
        self._looks = dict(looks)
        self._number = helpers or min(MOST_HELPERS, os.cpu_count() or 1)
        self._turn = 0

    def __enter__(self) -> "Exporter":
        self._words: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(self._number)]  # noqa: SIM115
        order = [sys.executable, "-m", "solver.report.charts.export"]
        self._processes = [
            subprocess.Popen(order, stdin=subprocess.PIPE, stderr=words, text=True, encoding="utf-8")
            for words in self._words
        ]
        self._send({name: vars(look) for name, look in self._looks.items()}, to_all=True)
        return self

    def add(self, chart: Chart, stem: Path) -> None:
        """Order the two files of one chart."""
        self._send({"chart": vars(chart), "stem": str(stem)})

    def _send(self, order: object, *, to_all: bool = False) -> None:
        line = json.dumps(order, allow_nan=False) + "\n"
        chosen = self._processes if to_all else [self._processes[self._turn % self._number]]
        self._turn += not to_all
        for process in chosen:
            assert process.stdin is not None
            try:
                process.stdin.write(line)
            except BrokenPipeError:
                break  # it failed, which is told on leaving

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for process in self._processes:
                process.kill()
        failed = []
        for process, words in zip(self._processes, self._words, strict=True):
            try:
                process.communicate()
            except BrokenPipeError:
                process.wait()
            words.seek(0)
            if process.returncode:
                failed.append(words.read().decode(errors="replace").strip())
            words.close()
        if kind is None and failed:
            raise RuntimeError(f"charts could not be written: {failed[0][-2000:]}")


def _serve() -> None:
    """What a helper does."""
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    looks = {
        name: Look(**look | {"dash": tuple(look["dash"])}) for name, look in json.loads(sys.stdin.readline()).items()
    }
    for line in sys.stdin:
        order = json.loads(line)
        svg = to_svg(Chart(**order["chart"]), looks)
        Path(f"{order['stem']}.svg").write_text(svg, encoding="utf-8")
        Path(f"{order['stem']}.pdf").write_bytes(to_pdf(svg))


if __name__ == "__main__":
    _serve()
