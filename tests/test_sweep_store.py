"""Stored sweeps: interrupted at any moment and gone on with, they are what an uninterrupted run makes; damage is found."""

import errno
import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from games import InputError, load_scenario
from solver import efficiency
from solver.cells import Stages
from solver.cli import app
from solver.grid import Grid
from solver.sweep import attributes, sweep_grid
from solver.sweep_export import export_sweep
from solver.sweep_run import ChunkSolver, PoisonedChunks, fill, sweep_to_store
from solver.sweep_store import Layout, SweepStore, open_store, open_sweep
from tests import store_child
from tests.store_child import CHUNK, STAGES, make_grid, stand_in

CHILD = Path(store_child.__file__)


def new_store(path: Path, grid: Grid | None = None) -> SweepStore:
    grid = make_grid() if grid is None else grid
    path.mkdir(exist_ok=True)
    return open_store(path, grid, stages=STAGES, attributes=attributes(grid, STAGES, 1e-9, 0), cells_per_chunk=CHUNK)


def assert_same(one: Path, other: Path) -> None:
    """Array by array, bit by bit."""
    first, second = open_sweep(one).load(), open_sweep(other).load()
    assert set(first.variables) == set(second.variables)
    for name in first.variables:
        assert first[name].dtype == second[name].dtype
        assert first[name].values.tobytes() == second[name].values.tobytes(), name
    assert first.attrs == second.attrs


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A store filled without interruption by the stand-in solver."""
    path = tmp_path_factory.mktemp("stores") / "whole"
    fill(new_store(path), stand_in)
    return path


@pytest.fixture(scope="module")
def solved(tmp_path_factory) -> Path:
    """A store of real solutions."""
    path = tmp_path_factory.mktemp("stores") / "solved"
    sweep_to_store(make_grid(), path, stages=STAGES, cells_per_chunk=CHUNK)
    return path


def test_layout_covers_every_cell_once():
    scenario = load_scenario("GPQA/reasoning_effort")
    rng = np.random.default_rng(0)
    names = ("margin", "value_per_correct", "rationality")
    for _ in range(50):
        sizes = rng.integers(1, 9, 3)
        axes = {name: np.arange(1.0, 1 + n) for name, n in zip(names, sizes, strict=True)}
        layout = Layout.of(Grid.of(scenario.market, scenario.users, axes), int(rng.integers(1, 60)))
        seen = [cell for number in range(layout.num_chunks) for cell in layout.cells(number)]
        assert sorted(seen) == list(range(int(sizes.prod())))
        numbers = np.arange(sizes.prod()).reshape(sizes)
        for number in range(layout.num_chunks):
            assert numbers[layout.box(number)].ravel().tolist() == list(layout.cells(number))


def test_a_store_holds_what_memory_holds(solved):
    grid = make_grid()
    memory = sweep_grid(grid, stages=STAGES)
    stored = open_sweep(solved)
    assert stored.attrs == memory.attrs
    for name in memory.data_vars:
        # Blocks of another size are other compiled code, which may round differently.
        assert stored[name].dtype == memory[name].dtype
        np.testing.assert_allclose(1.0 * stored[name], 1.0 * memory[name], rtol=1e-12, atol=1e-14)
        assert stored[name].attrs["units"] == memory[name].attrs["units"]
    picked = stored.sel(rationality=1000, margin=0.2, method="nearest")
    scenario = load_scenario("GPQA/reasoning_effort")
    game = grid.market.with_margin(float(picked.margin))
    verdict = efficiency(type(scenario.game())(game, scenario.users.with_rationality(float(picked.rationality))))
    assert float(picked.price_of_anarchy) == pytest.approx(verdict.price_of_anarchy, rel=1e-12)


def kill_at_random(path: Path, solver: str, rng: random.Random, longest: float) -> bool:
    """Start the child and kill it a random time after its first chunk; whether it was still running."""
    environment = dict(os.environ, JAX_ENABLE_X64="1")
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(path), solver], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(rng.uniform(0, longest))
    running = child.poll() is None
    child.send_signal(signal.SIGKILL)
    _, errors = child.communicate()
    assert first or running, errors.decode()
    return running


def _fill_until_killed(path: str) -> None:
    store_child.main(path, "stand-in")


def test_killed_ten_times_and_gone_on_with_it_is_the_same_store(tmp_path, whole):
    """``kill -9`` at random moments; children come from a server process that has everything imported."""
    path = tmp_path / "killed"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.store_child"])
    rng = random.Random(5)
    killed = 0
    records: list[int] = []
    while killed < 10:
        child = context.Process(target=_fill_until_killed, args=(str(path),))
        child.start()
        before = len(records)
        deadline = time.monotonic() + 60
        while child.is_alive() and time.monotonic() < deadline:  # let it come at least to the next chunk
            if path.joinpath("chunks").is_dir() and len(list(path.glob("chunks/*.json"))) > before - 1:
                break
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        running = child.is_alive()
        child.kill()
        child.join()
        killed += running
        records = sorted(int(record.stem) for record in path.glob("chunks/*.json"))
        if len(records) == Layout.of(make_grid(), CHUNK).num_chunks and not running:
            break
    assert killed >= 3  # it has few chunks: most kills leave at least one more of them
    written = {record: record.stat().st_mtime_ns for record in path.glob("chunks/*.json")}
    fill(new_store(path), stand_in)
    assert_same(path, whole)
    assert all(record.stat().st_mtime_ns == when for record, when in written.items())  # no finished chunk was redone


def test_killed_while_it_solves(tmp_path, solved, full):
    path = tmp_path / "killed"
    rng = random.Random(1)
    for _ in range(10 if full else 1):
        kill_at_random(path, "real", rng, 0.5)
    sweep_to_store(make_grid(), path, stages=STAGES, cells_per_chunk=CHUNK)
    assert_same(path, solved)


def test_corrupt_chunks_are_found_told_and_solved_again(tmp_path, whole):
    path = tmp_path / "damaged"
    fill(new_store(path), stand_in)
    chunks = sorted((path / "data.zarr" / "optimal_welfare").glob("[0-9]*"))
    data = bytearray(chunks[2].read_bytes())
    data[len(data) // 2] ^= 0xFF
    chunks[2].write_bytes(data)
    (path / "data.zarr" / "share" / "4.0.0").unlink()  # a whole file gone
    (path / "chunks" / "0000006.json").write_text("{")
    told: list[str] = []
    solved: list[range] = []

    def watched(cells: range):
        solved.append(cells)
        return stand_in(cells)

    fill(new_store(path), watched, say=told.append)
    assert len(told) == 3
    assert "chunk 2 of 8 is corrupt (from {'margin': " in told[0]
    assert [cells.start for cells in solved] == [80, 160, 240]
    assert_same(path, whole)


def test_another_sweep_or_changed_data_is_refused(tmp_path, whole):
    with pytest.raises(InputError, match="values of the axes"):
        new_store(whole, make_grid(seed=0.1))
    scenario = load_scenario("GPQA/reasoning_effort")
    grid = make_grid()
    changed = Grid(scenario.market.with_margin(0.3), grid.users, grid.dims, name=grid.name)
    with pytest.raises(InputError, match="market's or users' data"):
        new_store(whole, changed)
    with pytest.raises(InputError, match="what is computed"):
        open_store(whole, grid, stages=Stages(), attributes=attributes(grid, Stages(), 1e-9, 0), cells_per_chunk=CHUNK)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        new_store(tmp_path)
    with pytest.raises(InputError, match="holds no sweep"):
        open_sweep(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("failing", [3, 40])
def test_a_full_disk_leaves_whole_chunks_and_says_how_to_go_on(tmp_path, whole, monkeypatch, failing):
    """A writer that fails at the store's boundary, in the middle of a chunk."""
    import zarr

    path = tmp_path / "full"
    store = new_store(path)
    real, calls = zarr.Array.__setitem__, []

    def write(array, selection, values):
        calls.append(selection)
        if len(calls) > failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(array, selection, values)

    monkeypatch.setattr(zarr.Array, "__setitem__", write)
    with pytest.raises(InputError, match=r"no space is left; \d of 8 chunks are safe: .* run the same command again"):
        fill(store, stand_in)
    monkeypatch.undo()
    told: list[str] = []
    fill(new_store(path), stand_in, say=told.append)
    assert told == []
    assert_same(path, whole)


def test_interrupted_by_the_keyboard(tmp_path, monkeypatch):
    """Exit code 130 and one line that says how to go on; the same command then finishes."""
    arguments = ["sweep", "GPQA/reasoning_effort", "--rationality", "100:1e5:40", "--axis", "margin=0.1:0.5:3"]
    arguments += ["--store", str(tmp_path / "store")]
    monkeypatch.setattr("solver.sweep_run.CELLS_PER_CHUNK", CHUNK)
    real, solved = ChunkSolver.__call__, []

    def stop_at_second(self, cells):
        solved.append(cells)
        if len(solved) == 2:
            raise KeyboardInterrupt
        return real(self, cells)

    monkeypatch.setattr(ChunkSolver, "__call__", stop_at_second)
    stopped = CliRunner().invoke(app, arguments)
    assert stopped.exit_code == 130
    assert stopped.stderr.count("\n") == 1
    assert "1 of 3 chunks are stored" in stopped.stderr
    assert "run the same command again" in stopped.stderr
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0
    assert [cells.start for cells in solved] == [0, 40, 40, 80]


def test_one_process_at_a_time(tmp_path):
    from filelock import FileLock

    with FileLock(tmp_path / "lock"), pytest.raises(InputError, match="another process"):
        sweep_to_store(make_grid(), tmp_path, stages=STAGES)


@pytest.mark.parametrize("suffix", [".nc", ".parquet", ".csv"])
def test_exports_hold_the_same_numbers(tmp_path, solved, suffix, monkeypatch):
    import pandas as pd

    monkeypatch.setattr("solver.sweep_export.ROWS_PER_PIECE", 300)  # several pieces
    file = tmp_path / f"sweep{suffix}"
    data = open_sweep(solved)
    export_sweep(data, file)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    if suffix == ".nc":
        with xr.open_dataset(file, engine="h5netcdf") as stored:
            np.testing.assert_array_equal(stored.share.values, data.share.values)
        return
    frame = pd.read_parquet(file) if suffix == ".parquet" else pd.read_csv(file)
    assert len(frame) == 8 * 40 * 3
    keyed = frame.set_index(["margin", "rationality", "provider"])["share"]
    np.testing.assert_allclose(keyed.values, data.share.values.ravel(), rtol=1e-15)


@pytest.fixture(scope="module")
def client():
    from solver.sweep_cluster import connect

    with connect(workers=2) as made:
        yield made
    # What a killed worker leaves behind is found here, where it is expected, and not in the middle of another test.
    gc.collect()


def _slow(cells: range):
    time.sleep(0.2)
    return stand_in(cells)


def _poisoned(cells: range):
    if 95 in cells:
        raise ValueError("this market cannot be solved")
    return stand_in(cells)


# A process killed in the middle of a message leaves sockets behind that Python warns of when it collects them.
KILLED = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::pytest.PytestUnhandledThreadExceptionWarning",
    "ignore::ResourceWarning",
)


@KILLED
def test_a_worker_that_dies_has_its_chunks_redone(tmp_path, whole, client):
    path = tmp_path / "cluster"
    store = new_store(path)
    pids = list(client.run(os.getpid).values())
    killed = []

    def kill_one(cells: int) -> None:
        if cells and not killed:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    fill(store, _slow, client=client, progress=kill_one)
    assert killed
    assert_same(path, whole)


@KILLED
def test_stores_of_one_name_are_filled_apart(tmp_path, whole, client, monkeypatch):
    """Also while the tasks of the first are remembered: a second one of the same key would not be run."""
    remembered = []
    submit = client.submit

    def submit_and_remember(*args, **settings):
        remembered.append(submit(*args, **settings))
        return remembered[-1]

    monkeypatch.setattr(client, "submit", submit_and_remember)
    for folder in ("one", "other"):
        path = tmp_path / folder / "cluster"
        path.parent.mkdir()
        fill(new_store(path), stand_in, client=client)
        assert_same(path, whole)
    assert len(remembered) == 16


@KILLED
def test_a_poisoned_chunk_is_reported_while_the_rest_completes(tmp_path, client):
    path = tmp_path / "cluster"
    with pytest.raises(PoisonedChunks, match=r"1 of 8 chunks failed 3 times.*margin.*cannot be solved"):
        fill(new_store(path), _poisoned, client=client)
    assert sorted(int(record.stem) for record in path.glob("chunks/*.json")) == [0, 1, 3, 4, 5, 6, 7]
    missing = open_sweep(path).optimal_welfare.isnull().values
    assert missing[2].all()
    assert missing.sum() == 40
