"""The settings of data: where it comes from, which rows are kept, and what a training set holds."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from include.configuration.layers import SettingsModel
from include.configuration.values import (
    Count,
    Day,
    Hours,
    Locations,
    Months,
    OptionalText,
    Seconds,
    Seed,
    Share,
    Text,
    TimeZone,
)

COLUMNS = ("pickup_at", "dropoff_at", "pickup_zone", "dropoff_zone", "trip_distance", "target")


class DataSettings(SettingsModel):
    """The first of the domain's settings; field `column_pickup_at` is the key `COLUMN_PICKUP_AT` of `.env`."""

    SECTIONS: ClassVar[Mapping[str, str]] = {
        "source": "Data source",
        "column_pickup_at": "Source columns",
        "month_tolerance_days": "Rejected rows",
        "target_min": "Training set",
    }

    source: Text = "sample"
    """Where trips come from: `sample` for plausible trips from a seeded generator (synthetic, not measured), `tlc` for
    the files that New York's Taxi and Limousine Commission publishes, or a URL with `{month}` in it: `file://`,
    `https://`, an object store, a Postgres table or a JSON API.
    """
    months: Months = ("2024-01", "2024-02")
    """Months to load and to train on, as YYYY-MM, separated by commas."""
    zones_source: Text = "auto"
    """Where zones (id, name, borough, position) come from: `auto` for those that belong to the source, `sample`, `tlc`,
    the URL of a CSV file, or `none`.
    """
    source_timezone: TimeZone = "America/New_York"
    """Time zone of a source whose times have an offset. Hours and days are those of its clock; durations are the time
    that passed, even when the clock changes.
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
    except a slash, `**` matches anything, as in `https://data.example.org/trips/*.parquet` or `file:///data/**`.
    """
    sample_rows: int = Field(default=20_000, ge=1, le=100_000_000)
    """Rows per month of the sample."""
    sample_seed: Seed = 7
    """Seed of the sample's generator."""

    column_pickup_at: Text = "lpep_pickup_datetime"
    """Source column with the pickup time (yellow taxi: `tpep_pickup_datetime`)."""
    column_dropoff_at: Text = Field(default="lpep_dropoff_datetime", validate_default=True)
    """Source column with the dropoff time (yellow taxi: `tpep_dropoff_datetime`)."""
    column_pickup_zone: Text = Field(default="PULocationID", validate_default=True)
    """Source column with the id of the pickup zone."""
    column_dropoff_zone: Text = Field(default="DOLocationID", validate_default=True)
    """Source column with the id of the dropoff zone."""
    column_trip_distance: Text = Field(default="trip_distance", validate_default=True)
    """Source column with the distance of the trip."""
    column_target: OptionalText = None
    """Source column to predict. Empty: the minutes from pickup to dropoff."""

    month_tolerance_days: int = Field(default=31, ge=0, le=3_660)
    """Days that a pickup may lie outside the month of its file."""
    trip_distance_min: float = 0.0
    """Minimum trip distance, in the source's unit."""
    trip_distance_max: float = Field(default=1_000_000.0, validate_default=True)
    """Maximum trip distance, in the source's unit."""
    rejected_max_share: Share = 0.05
    """Share of a month's rows, from 0 to 1, that may be rejected before the run fails."""

    target_min: float = 1.0
    """Minimum target; rows below it are left out. Durations are in minutes."""
    target_max: float = Field(default=60.0, validate_default=True)
    """Maximum target; rows above it are left out. Durations are in minutes."""
    validation_from: Day = None
    """First day of the validation split, as YYYY-MM-DD. Empty: the last month is the validation split."""
    test_from: Day = None
    """First day of the test split, as YYYY-MM-DD. Empty: there is no test split."""
    minimum_rows: Count = 1_000
    """Minimum rows per split; a training set with fewer is not published. A month of a Postgres table counts as new
    only if it has as many rows.
    """
    outdated_after: Hours = 168.0
    """Hours after which a training set is built again, even if nothing has changed."""
    keep_versions: Count = 5
    """Number of training sets to keep; older ones are deleted."""

    @field_validator("trip_distance_max", "target_max")
    @classmethod
    def _maximum_is_above_minimum(cls, value: float, info: ValidationInfo) -> float:
        name = str(info.field_name).replace("max", "min")
        least = info.data.get(name)
        if least is not None and value <= least:
            raise ValueError(f"{value:g} is not above {name.upper()}, which is {least:g}")
        return value

    @field_validator("test_from")
    @classmethod
    def _test_comes_after_validation(cls, day: str | None, info: ValidationInfo) -> str | None:
        first = info.data.get("validation_from")
        if day and first and day <= first:
            raise ValueError(f"{day} is not after VALIDATION_FROM, which is {first}")
        return day

    @field_validator(*(f"column_{name}" for name in COLUMNS[1:]))
    @classmethod
    def _columns_differ(cls, column: str | None, info: ValidationInfo) -> str | None:
        for name, other in info.data.items():
            if name.startswith("column_") and other == column:
                raise ValueError(f"{column!r} is the name of {name.upper()} already")
        return column

    @property
    def columns(self) -> dict[str, str]:
        """Neutral column name -> the source's name, for the columns that the settings name."""
        names = {name: getattr(self, f"column_{name}") for name in COLUMNS}
        return {neutral: name for neutral, name in names.items() if name}
