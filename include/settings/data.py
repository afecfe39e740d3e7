"""The settings of data: where it comes from, which rows are kept, and what a training set holds."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from include.configuration.layers import SettingsModel
from include.configuration.values import (
    Count,
    Day,
    Directory,
    Hours,
    Locations,
    Months,
    Seconds,
    Seed,
    Share,
)
from include.problem.declaration import Problem


class DataSettings(SettingsModel):
    """The first of the domain's settings; field `months` is the key `MONTHS` of `.env`."""

    SECTIONS: ClassVar[Mapping[str, str]] = {
        "problem": "Problem",
        "months": "Data source",
        "month_tolerance_days": "Rejected rows",
        "validation_from": "Training set",
    }

    problem: Problem
    """What is predicted from what: the name of a folder of `include/problems`, whose `problem.toml` declares it. Each
    key below changes a declared value, where it is not empty; so do `COLUMN_<NAME>` (a column's name in the source),
    `<NAME>_MIN` and `<NAME>_MAX` (a column's bounds) and `<NAME>_SOURCE` (the address of a reference table).
    """
    months: Months = ()
    """Months to load and to train on, as YYYY-MM, separated by commas; `all` for a source that is not divided into
    months. Empty: `months` of the problem, else `all`.
    """
    source_records: str = ""
    """For a JSON API: dotted path to the list of records in an answer. Empty: the answer is the list."""
    source_timeout: Seconds = 60.0
    """Seconds to wait for an answer from the source. An answer that brings less than 1 kB per second for this long is
    given up.
    """
    source_time_limit: Seconds = 3600.0
    """Seconds in which a month must be read completely. The default is enough for 4 GB over 10 Mbit/s."""
    batch_locations: Locations = ()
    """Addresses that `batch_prediction` may read in addition to `SOURCE`, separated by commas. `*` matches anything
    except a slash, `**` matches anything, as in `https://data.example.org/rides/*.parquet` or `file:///data/**`.
    """
    sample_rows: int = Field(default=20_000, ge=1, le=100_000_000)
    """Rows per month of the sample."""
    sample_seed: Seed = 7
    """Seed of the sample's generator."""

    month_tolerance_days: int = Field(default=31, ge=0, le=3_660)
    """Days that a row's time may lie outside the month of its file."""
    rejected_max_share: Share = 0.05
    """Share of a month's rows, from 0 to 1, that may be rejected before the run fails. Rows that repeat an earlier one
    are left out, but do not count here.
    """

    validation_from: Day = None
    """First day of the validation split, which chooses parameters, as YYYY-MM-DD. Empty: that of the month before
    the last, or of the last of two months; of a single month, the 21st.
    """
    test_from: Day = None
    """First day of the test split, which judges, as YYYY-MM-DD. Empty: that of the last month, or of the second half of
    the last of two; of a single month, the 26th. Where VALIDATION_FROM is set, there is no test split then.
    """
    minimum_rows: Count = 100
    """Minimum rows per split; a training set with fewer is not published. A month of a Postgres table counts as new
    only if it has as many rows, and a newest file with fewer is left out of retrainings until it has as many. Whatever
    is set here, a model is never promoted on fewer than 100 held-out rows.
    """
    outdated_after: Hours = 168.0
    """Hours after which a training set is built again, even if nothing has changed."""
    keep_versions: Count = 5
    """Number of training sets to keep. Older ones are deleted, except those of the champion and the previous one."""
    parquet_location: Directory = ""
    """Where large training sets are also kept as Parquet files, from which training reads them: a directory, or an
    address that fsspec knows, such as `s3://bucket/training-sets`. Every worker must reach it, with credentials from
    its environment. Empty: training reads Postgres.
    """
    parquet_minimum_rows: Count = 1_000_000
    """Rows of a training set from which on it is also kept as Parquet files."""

    @field_validator("test_from")
    @classmethod
    def _test_comes_after_validation(cls, day: str | None, info: ValidationInfo) -> str | None:
        first = info.data.get("validation_from")
        if day and first and day <= first:
            raise ValueError(f"{day} is not after VALIDATION_FROM, which is {first}")
        return day
