"""The trips that benchmarks run on: real ones where there are some, else the synthetic sample."""

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.plain_script import load_month
from include.problem.data import Split, columns_of_frame
from include.sets.examples import target_bounds
from include.settings import ROOT, Settings

MONTHS = ("2023-01", "2023-02", "2023-03", "2024-01", "2024-02")
# About as many rows as a real month has.
SAMPLE_ROWS = 60_000


@dataclass(frozen=True)
class Trips:
    """A source of five months.

    Attributes:
        label: Says in a table which trips they are.
        settings: Settings, by key, that name the source.
    """

    label: str
    settings: dict[str, str]


def find_trips() -> Trips:
    """The directory TRIP_DATA_DIR, or one where such data is kept beside the project; else the sample."""
    directory = (ROOT / (os.environ.get("TRIP_DATA_DIR") or "../shared/data")).resolve()
    files = directory / "green_tripdata_{month}.parquet"
    if not all(directory.joinpath(files.name.format(month=month)).exists() for month in MONTHS):
        sample = {"SOURCE": "sample", "ZONES_SOURCE": "sample", "SAMPLE_ROWS": str(SAMPLE_ROWS)}
        return Trips(f"synthetic sample, {SAMPLE_ROWS:,} rows a month", sample)
    zones = directory / "zones.csv"
    source = {"SOURCE": f"file://{files}", "ZONES_SOURCE": f"file://{zones}" if zones.exists() else "none"}
    return Trips("real green-taxi trips", source)


def load_split(settings: Settings, month: str) -> Split:
    """A month's trips that start in it, with a target within the problem's bounds."""
    frame = load_month(settings, month)
    target = (frame["dropoff_at"] - frame["pickup_at"]).dt.total_seconds() / 60
    kept = target.between(*target_bounds(settings.problem))
    kept &= frame["pickup_at"].dt.strftime("%Y-%m") == month
    return Split(columns_of_frame(settings.problem, frame[kept]), target[kept].to_numpy())


def days_of(split: Split) -> npt.NDArray[np.datetime64]:
    """The day on which each trip starts."""
    return split.rows["pickup_at"].astype("datetime64[D]")


def pick(split: Split, chosen: npt.NDArray[np.bool_ | np.int64]) -> Split:
    """The chosen rows."""
    return Split({name: values[chosen] for name, values in split.rows.items()}, split.target[chosen])
