"""The trips that benchmarks run on: real ones where there are some, else the synthetic sample."""

import os
from dataclasses import dataclass

from include.settings import ROOT

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
