"""Boosters that read their matrix in batches from a file."""

import gc
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from include.errors import SettingsError
from include.models import spool
from include.models.estimator_files import save_estimator
from include.models.fitting import encode, fit_estimator
from include.models.libraries import lightgbm_boosters, xgboost_boosters
from include.models.spool import Scratch, Spool
from include.models.table import MODELS
from include.problem.data import Columns, Positions, Split, Values
from tests.splits import PROBLEM, REFERENCES, make_split

TRAIN, OTHERS = make_split(700), make_split(150, seed=1)


@dataclass(frozen=True)
class InPieces:
    """Rows that are in memory only piece by piece."""

    whole: Split
    rows_at_once: int

    @property
    def target(self) -> Values:
        return self.whole.target

    @property
    def weights(self) -> Values | None:
        return self.whole.weights

    def __len__(self) -> int:
        return len(self.whole)

    def pieces(self) -> Iterator[Split]:
        for start in range(0, len(self), self.rows_at_once):
            yield self.whole.take(np.arange(start, min(start + self.rows_at_once, len(self))))

    def columns(self, names: Collection[str]) -> Columns:
        return self.whole.columns(names)

    def take(self, positions: Positions) -> Split:
        return self.whole.take(positions)


@pytest.mark.parametrize("rows_at_once", [1, 99, 700])
def test_batches_are_the_rows_that_were_written(rows_at_once: int) -> None:
    matrix = np.arange(2_100, dtype=np.float32).reshape(-1, 3)
    written = Spool(matrix[start : start + rows_at_once] for start in range(0, 700, rows_at_once))
    batches = [written.read(batch.start, batch.stop) for batch in written.cut(64)]
    assert [len(batch) for batch in batches] == [64] * 10 + [60]
    assert np.concatenate(batches).tolist() == matrix.tolist()


def test_file_is_closed_with_its_spool_even_in_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    make = tempfile.TemporaryFile
    monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda **given: opened.append(make(**given)) or opened[0])
    holder = [Spool([np.zeros((2, 3), dtype=np.float32)])]
    holder.append(holder)
    assert not opened[0].closed
    del holder
    gc.collect()
    assert opened[0].closed


@pytest.mark.parametrize("name", ["gbtree.logsquarederror", "gbdt.squarederror"])
def test_library_gives_the_file_up_when_it_has_made_its_bins(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    opened = []
    make = tempfile.TemporaryFile
    monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda **given: opened.append(make(**given)) or opened[-1])
    gc.collect()
    gc.disable()  # what is closed is closed at once
    try:
        data = encode(MODELS[name], PROBLEM, "rich", REFERENCES, InPieces(TRAIN, 99))
        assert [file.closed for file in opened] == [True]
        assert data.train is not None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("name", "stops"), [("gbtree.squarederror", False), ("gbtree.logsquarederror", True), ("gbdt.squarederror", True)]
)
def test_booster_of_batches_has_the_bytes_of_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stops: bool
) -> None:
    monkeypatch.setattr(xgboost_boosters, "PAGE_ROWS", 300)
    monkeypatch.setattr(lightgbm_boosters, "ROWS_AT_ONCE", 300)
    model, given = MODELS[name], (PROBLEM, "rich", REFERENCES)
    weighted = [Split(each.rows, each.target, each.target % 3 + 1) for each in (TRAIN, OTHERS)]
    in_pieces = [InPieces(each, 99) for each in weighted]
    parameters = {**model.start, "learning_rate": 0.3, **({} if stops else {"n_estimators": 5})}
    states = []
    for at, rows in enumerate((weighted, in_pieces)):
        data = encode(model, *given, *rows) if stops else encode(model, *given, rows[0])
        directory = tmp_path / str(at)
        directory.mkdir()
        file = save_estimator(fit_estimator(model, parameters, data, random_state=3, threads=1), directory)
        states.append((data.encoder.to_dict(), (directory / file).read_bytes()))
    assert states[0] == states[1]


def test_full_file_system_is_an_error_that_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no file that is always full")
    monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("wb", buffering=0))  # noqa: SIM115
    with pytest.raises(SettingsError, match=r"has no room .* TMPDIR .* raise IN_MEMORY_ROWS"):
        Spool([np.zeros((2, 3), dtype=np.float32)])


def test_file_that_takes_a_part_only_counts_as_full(tmp_path: Path) -> None:
    written = f"{tmp_path}/written"
    code = f"""
import resource
import tempfile
import numpy as np
from include.models import spool
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
spool.tempfile.TemporaryFile = lambda **_: open({written!r}, "w+b", buffering=0)
spool.Spool([np.zeros((100, 3), dtype=np.float32)])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "SettingsError" in ended.stderr
    assert "has no room" in ended.stderr


def test_directory_of_a_killed_process_is_deleted_and_one_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = f"""
import os, signal, tempfile
from include.models.spool import Scratch
tempfile.tempdir = {str(tmp_path)!r}
(Scratch().path / "bins").write_bytes(bytes(10))
os.kill(os.getpid(), signal.SIGKILL)
"""
    used = Scratch()
    subprocess.run([sys.executable, "-c", code], check=False)
    [left] = {*tmp_path.iterdir()} - {used.path}
    assert (left / "bins").exists()
    new = Scratch()
    assert {*tmp_path.iterdir()} == {used.path, new.path}
    new.delete()
    used.delete()
    assert not list(tmp_path.iterdir())


def test_one_hot_encoder_of_pieces_is_that_of_the_whole() -> None:
    model = MODELS["linear_model.Lasso"]
    whole = encode(model, PROBLEM, "rich", REFERENCES, TRAIN).encoder
    in_pieces = type(whole)(PROBLEM, "rich", "one_hot", REFERENCES)
    in_pieces.fit_pieces(piece.rows for piece in InPieces(TRAIN, 99).pieces())
    assert in_pieces.to_dict() == whole.to_dict()
