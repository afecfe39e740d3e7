"""What the examples of one split must be: checked as a frame before a training set is published."""

from datetime import date

from include.problem.data import Split
from include.settings import Settings


def find_example_problems(
    settings: Settings, name: str, split: Split, starts_on: date | None, ends_before: date | None
) -> list[str]:
    """Says what is wrong with a split, a sentence a failed check with how many rows fail it.

    Args:
        starts_on: First pickup day that belongs to the split, None where it is open.
        ends_before: First pickup day that belongs to the next split: a row from then on would leak.
    """
    import pandas as pd
    import pandera.pandas as pa

    in_time = [
        *([pa.Check.ge(pd.Timestamp(starts_on), error="leak from the split before")] if starts_on else []),
        *([pa.Check.lt(pd.Timestamp(ends_before), error="leak from the split after")] if ends_before else []),
    ]
    problem = settings.problem
    distance = problem.columns["trip_distance"]
    target_range = pa.Check.in_range(problem.target_min, problem.target_max, error="outside TARGET_MIN..TARGET_MAX")
    distance_range = pa.Check.in_range(
        distance.minimum, distance.maximum, error="outside TRIP_DISTANCE_MIN..TRIP_DISTANCE_MAX"
    )
    zone = pa.Column("int64", pa.Check.ge(1, error="below 1"))
    schema = pa.DataFrameSchema(
        {
            "pickup_at": pa.Column("datetime64[us]", in_time),
            "pickup_zone": zone,
            "dropoff_zone": zone,
            "trip_distance": pa.Column("float64", distance_range),
            "target": pa.Column("float64", target_range),
        },
        strict=True,
    )
    try:
        schema.validate(pd.DataFrame({**split.rows, "target": split.target}), lazy=True)
    except pa.errors.SchemaErrors as error:
        counts = error.failure_cases.groupby(["column", "check"]).size()
        return [f"{name}: {column} {check}: {rows} rows" for (column, check), rows in counts.items()]
    return []
