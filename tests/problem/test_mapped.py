import gc
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from include.problem import mapped
from include.problem.mapped import Growing, collect


def find_files(array: np.ndarray) -> int:
    """How many files of the process hold the array's memory."""
    start, _ = array.__array_interface__["data"]
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        if first <= start < last:
            return int("(deleted)" in line)
    raise AssertionError("the array is nowhere")


needs_maps = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system does not say what is mapped")


def grow(parts: Iterable[np.ndarray], *, in_memory: bool = False) -> np.ndarray:
    """The array of these parts."""
    growing = Growing(in_memory=in_memory)
    for part in parts:
        growing.append(part)
    return growing.finish()


@needs_maps
@pytest.mark.parametrize("dtype", ["float64", "int64", "datetime64[us]"])
def test_only_a_large_array_is_in_a_file(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    monkeypatch.setattr(mapped, "MOST_BYTES", 80_000)
    values = np.arange(10_001).astype(dtype)
    for ends in ([], [10_000], [4_000, 4_000, 10_000], [1, 2]):
        large = grow(np.split(values, ends))
        assert (find_files(grow(np.split(values[:10_000], ends))), find_files(large)) == (0, 1)
        assert find_files(grow(np.split(values, ends), in_memory=True)) == 0
        assert large.dtype == values.dtype
        assert large.tolist() == values.tolist()
        large[:] = 0
        assert values[-1] == np.arange(10_001).astype(dtype)[-1]


@needs_maps
def test_file_is_gone_with_its_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "MOST_BYTES", 0)
    before = Path("/proc/self/maps").read_text().count("(deleted)")
    array = grow([np.zeros((7_000, 3))])
    view = array[:10]
    del array
    view[:] = 1.0
    assert Path("/proc/self/maps").read_text().count("(deleted)") == before + 1
    del view
    gc.collect()
    assert Path("/proc/self/maps").read_text().count("(deleted)") == before


def test_texts_are_in_memory_and_equal_ones_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "MOST_BYTES", 0)
    parts = [np.array([f"{letter}{1}", None], dtype=object) for letter in "aab"]
    texts = grow(parts)
    assert texts.tolist() == ["a1", None, "a1", None, "b1", None]
    assert parts[0][0] is not parts[1][0]
    assert texts[0] is texts[2]


def test_no_room_is_an_error_that_names_the_ways_out(tmp_path: Path) -> None:
    code = f"""
import resource, tempfile
import numpy as np
from include.problem import mapped
tempfile.tempdir = {str(tmp_path)!r}
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
mapped.Growing().append(np.zeros(1_500_000))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "SettingsError" in ended.stderr
    assert "has no room for a column of 1,500,000 rows" in ended.stderr
    assert "let TMPDIR name" in ended.stderr


@pytest.mark.parametrize("most", [0, 8_000_000])
@pytest.mark.parametrize("shape", [(10,), (10, 3)])
def test_parts_are_one_array(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], most: int) -> None:
    monkeypatch.setattr(mapped, "MOST_BYTES", most)
    whole = np.arange(float(np.prod(shape))).reshape(shape)
    for ends in ([], [4], [4, 5, 9]):
        assert collect(iter(np.split(whole, ends)), 10).tolist() == whole.tolist()
    assert collect([whole[:0]], 0).shape == whole[:0].shape
