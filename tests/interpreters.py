"""The core of the suite on other interpreters and with the oldest versions that we allow: ``python -m tests.interpreters``.

Each run gets an environment of its own in a temporary folder and tests a
source tree that is not installed. What ran is printed as a table; a kind of run for which this machine has no interpreter
is named there and is no failure.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
OLDEST = (3, 11)
# Everything but what drives a browser or builds the documentation's site; benchmarks are scripts for one machine.
CORE = ("-m", "not browser", "--ignore=tests/test_docs_site.py", "--ignore=tests/test_benchmarks.py")
FIRST_NUMBER = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Row:
    """What one run did.

    Args:
        interpreter: version of Python.
        resolution: which versions of packages.
        passed, failed, skipped: numbers of tests; -1 where nothing ran.
        minutes: with installation.
        note: what stopped it, or what was tested.
    """

    interpreter: str
    resolution: str
    passed: int
    failed: int
    skipped: int
    minutes: float
    note: str


def interpreters() -> dict[tuple[int, int], str]:
    """Path of an interpreter of each version of Python from the oldest that we allow, on PATH or beside pyenv's."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    places = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    places += sorted(root.glob("versions/*/bin"), reverse=True)
    found: dict[tuple[int, int], str] = {}
    for minor in range(OLDEST[1], sys.version_info.minor + 10):
        for place in places:
            program = place / f"python3.{minor}"
            # A shim of pyenv is there whether or not its version is: ask.
            if program.exists() and _version(program) is not None:
                found.setdefault((3, minor), str(program))
    return found


def _version(program: Path | str) -> str | None:
    code = "import sys, venv; print(sys.version.split()[0])"
    try:
        said = subprocess.run([program, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() if said.returncode == 0 and FIRST_NUMBER.match(said.stdout) else None


def run_core(program: str, resolution: str, folder: Path) -> Row:
    """Make an environment, install, test.

    Args:
        program: path of the interpreter.
        resolution: ``pinned`` for constraints.txt, ``lowest`` for the oldest versions that pyproject.toml names.
        folder: for the environment and what pytest writes.
    """
    started, version = time.monotonic(), str(_version(program))
    bin_folder = folder / "bin"
    steps: list[Sequence[str]] = [[program, "-m", "venv", str(folder)]]
    if resolution == "lowest":
        pins = str(folder / "lowest.txt")
        steps.append(
            [
                sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--extra", "test", "--quiet",
                "--resolution", "lowest-direct", "--python", program, "--no-header", "--output-file", pins,
            ]
        )  # fmt: skip
    else:
        pins = str(ROOT / "constraints.txt")
    steps.append([str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "--constraint", pins, ".[test]"])
    # The tree itself is tested, and nothing asks what is installed.
    steps.append([str(bin_folder / "python"), "-m", "pip", "uninstall", "--quiet", "--yes", "ttc-games"])
    for step in steps:
        said = subprocess.run(step, cwd=ROOT, capture_output=True, text=True, check=False)
        if said.returncode:
            print(said.stdout[-3000:], said.stderr[-3000:], sep="\n", file=sys.stderr)
            return Row(version, resolution, -1, -1, -1, _minutes(started), f"failed: {' '.join(step)[-120:]}")
    results = folder / "results.xml"
    subprocess.run(
        [
            str(bin_folder / "python"), "-m", "pytest", "-n", "auto", "--dist", "worksteal", "-p", "no:cacheprovider",
            f"--junitxml={results}", *CORE,
        ],
        cwd=ROOT,
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": str(folder / "jax")},
        check=False,
    )  # fmt: skip
    return read_results(results, version, resolution, _minutes(started), "core, no browser")


def read_results(path: Path, interpreter: str, resolution: str, minutes: float, note: str) -> Row:
    """The row of a run, out of pytest's JUnit file."""
    if not path.exists():
        return Row(interpreter, resolution, -1, -1, -1, minutes, "pytest wrote no result")
    suite = next(ET.parse(path).getroot().iter("testsuite"))
    count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    return Row(
        interpreter, resolution, count["tests"] - failed - count["skipped"], failed, count["skipped"], minutes, note
    )


def _minutes(started: float) -> float:
    return (time.monotonic() - started) / 60


def table(rows: Iterable[Row]) -> str:
    """The rows in Markdown."""
    lines = ["| Python | versions | passed | failed | skipped | minutes | what |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        counts = ["–" if n < 0 else f"{n:,}" for n in (row.passed, row.failed, row.skipped)]
        lines.append(
            f"| {row.interpreter} | {row.resolution} | {' | '.join(counts)} | {row.minutes:.1f} | {row.note} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run what this machine can; 1 if something failed.

    Args:
        arguments: JUnit file and minutes of the run of the whole suite, for the table's first row; or nothing.
    """
    here = sys.version_info[:2]
    rows = []
    if arguments:
        version = ".".join(map(str, sys.version_info[:3]))
        rows.append(read_results(Path(arguments[0]), version, "pinned", float(arguments[1]), "whole suite"))
    known = interpreters()
    others = [version for version in known if version != here]
    plan = [(known[max(others)], "pinned")] if others else []
    plan += [(known[min(known)], "lowest")] if known else []
    for program, resolution in plan:
        print(f"core of the suite: {program}, versions {resolution}", flush=True)
        with tempfile.TemporaryDirectory(prefix="ttc-games-") as folder:
            rows.append(run_core(program, resolution, Path(folder)))
    if not others:
        rows.append(Row("another", "pinned", -1, -1, -1, 0.0, "NOT RUN: this machine has one Python from 3.11 on"))
    print(table(rows))
    # No failure: no other interpreter here. A failure: one that could not be used.
    return int(any(row.failed or row.passed == 0 for row in rows if not row.note.startswith("NOT RUN")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
