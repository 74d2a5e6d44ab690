"""Charts as files, drawn by helper processes: turning a specification into SVG and PDF takes longer than solving a market.

A helper is ``python -m solver.report.charts.export``. It reads one order a line from its standard input, in JSON.
"""

import contextlib
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
from solver.report.charts.theme import plotting_script, to_pdf, to_svg
from solver.report.palette import Look

MOST_HELPERS = 4


class Exporter:
    """Writes charts as ``STEM.svg`` and ``STEM.pdf`` while the caller goes on; leaving the block waits for all of them.

    The helpers start with the block, so that they are ready when the first chart is.

    Args:
        helpers: number of processes; by default one for each core, at most four.

    Raises:
        RuntimeError: on leaving, if a helper failed; its last words are in the message.
    """

    def __init__(self, helpers: int | None = None) -> None:
        self._number = helpers or min(MOST_HELPERS, os.cpu_count() or 1)
        self._turn = 0

    def __enter__(self) -> "Exporter":
        self._words: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(self._number)]  # noqa: SIM115
        order = [sys.executable, "-m", "solver.report.charts.export"]
        self._processes = [
            subprocess.Popen(order, stdin=subprocess.PIPE, stderr=words, text=True, encoding="utf-8")
            for words in self._words
        ]
        return self

    def wear(self, looks: Mapping[str, Look]) -> None:
        """How the providers of all charts look that are ordered from now on."""
        for process in self._processes:
            _send(process, {"looks": {name: vars(look) for name, look in looks.items()}})

    def add(self, chart: Chart, stem: Path) -> None:
        """Order the two files of one chart."""
        _send(self._processes[self._turn % self._number], {"chart": vars(chart), "stem": str(stem)})
        self._turn += 1

    def add_script(self, file: Path) -> None:
        """Order the plotting script of the page."""
        _send(self._processes[0], {"script": str(file)})

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


def _send(process: "subprocess.Popen[str]", order: object) -> None:
    assert process.stdin is not None
    # A helper that failed is told of on leaving.
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(order, allow_nan=False) + "\n")
        process.stdin.flush()


def _serve() -> None:
    """What a helper does, behind the process that solves the markets."""
    if hasattr(os, "nice"):
        os.nice(5)
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    looks: dict[str, Look] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "looks" in order:
            looks = {name: Look(**look | {"dash": tuple(look["dash"])}) for name, look in order["looks"].items()}
        elif "script" in order:
            part = Path(order["script"] + ".part")
            part.write_text(plotting_script(), encoding="utf-8")
            part.replace(order["script"])
        else:
            svg = to_svg(Chart(**order["chart"]), looks)
            Path(f"{order['stem']}.svg").write_text(svg, encoding="utf-8")
            Path(f"{order['stem']}.pdf").write_bytes(to_pdf(svg))


if __name__ == "__main__":
    _serve()
