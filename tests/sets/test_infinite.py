"""What is infinite to a model, as after a division by zero, is no number, where rows are loaded and in a request."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from include.prediction.inputs import InputFormat, InputsInvalid, parse_rows
from include.problem.declaration import Problem
from include.sets.examples import load_split
from include.sets.left_out import TARGET_MISSING, sum_by_rule
from include.settings import Settings
from tests.published_sets import publish_set
from tests.warehouse_rows import query

ROWS = 400
RATIOS = Problem(name="ratios", source="file:///t.csv", target="y", columns={"ratio": {"kind": "number"}})  # type: ignore


def make_ratios(path: Path, **infinite: dict[int, float]) -> Path:
    """A table without bounds, with these values in these rows of its columns."""
    frame = pd.DataFrame({"ratio": [row / 7 for row in range(ROWS)], "y": [100 - row / 3 for row in range(ROWS)]})
    for name, values in infinite.items():
        for row, value in values.items():
            frame.loc[row, name] = value
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def publish(url: str, path: Path, **changes: Any) -> tuple[int, dict[str, int]]:
    """The rows that are examples of the set, and those that are left out by rule."""
    settings = Settings(problem=RATIOS, minimum_rows=20).change(source=path.as_uri(), **changes)
    published = publish_set(url, settings)
    [(left_out,)] = query(url, "SELECT left_out FROM training.sets")
    values = load_split(url, published.version, "train").rows["ratio"]
    assert not any(map(math.isinf, values))
    return sum(published.counts[split] for split in ("train", "validation", "test")), sum_by_rule(left_out)


@pytest.mark.parametrize("name", ["ratios.parquet", "ratios.csv"])
def test_row_with_an_infinite_target_is_left_out_however_many_there_are(
    warehouse_url: str, tmp_path: Path, name: str
) -> None:
    infinite = dict.fromkeys(range(0, ROWS, 4), math.inf) | {1: -math.inf, 2: 1e300}
    assert publish(warehouse_url, make_ratios(tmp_path / name, y=infinite)) == (ROWS - 102, {TARGET_MISSING: 102})


@pytest.mark.parametrize("name", ["ratios.parquet", "ratios.csv"])
def test_row_with_an_infinite_input_is_rejected_as_a_request_is(warehouse_url: str, tmp_path: Path, name: str) -> None:
    path = make_ratios(tmp_path / name, ratio={3: math.inf, 5: -math.inf, 7: 1e300})
    assert publish(warehouse_url, path) == (ROWS - 3, {"ratio: wrong type": 3})
    rejected = query(warehouse_url, "SELECT row_number, detail FROM raw.rejected ORDER BY 1")
    assert rejected == [(3, "inf"), (5, "-inf"), (7, "1e+300")]
    for value in (math.inf, "1e999", 1e300, 10**300):
        with pytest.raises(InputsInvalid, match=r"inputs\[0\]\.ratio must be a number"):
            parse_rows([{"ratio": value}], InputFormat.of(RATIOS))


def test_infinite_input_can_be_declared_to_mean_a_missing_one(warehouse_url: str, tmp_path: Path) -> None:
    path = make_ratios(tmp_path / "ratios.parquet", ratio=dict.fromkeys(range(0, ROWS, 4), math.inf))
    assert publish(warehouse_url, path, missing="inf,-inf") == (ROWS, {})
