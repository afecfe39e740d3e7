"""The newest held-out rows: what two models are compared on."""

from collections.abc import Collection
from dataclasses import dataclass

from include.errors import NoTrainingSet, StaleInput
from include.problem.data import Columns, Values
from include.problems.taxi.features import rows_of_frame
from include.warehouse import connect, connect_bulk

# What a model has learnt from is known of pruned sets too: their rows in training.sets stay.
_ROWS = """
    SELECT e.pickup_at, e.pickup_zone, e.dropoff_zone, e.trip_distance, e.target
    FROM training.examples e
    WHERE e.version = $1 AND e.split = $2 AND NOT EXISTS (
        SELECT FROM training.sets s
        WHERE s.version::text = ANY(string_to_array($3, ','))
          AND e.month = ANY(s.months) AND e.pickup_at < s.validation_from
    )
    ORDER BY e.month, e.row_number
"""


@dataclass(frozen=True)
class HeldOut:
    """Rows of the test split, else of the validation split, of one training set.

    Attributes:
        actual: Target of each trip, (n,).
    """

    set_version: int
    split: str
    rows: Columns
    actual: Values


def load_held_out(url: str, learnt_from: Collection[int]) -> HeldOut:
    """The held-out rows of the set that was published last.

    Args:
        learnt_from: Versions of the training sets behind the models; rows that these trained on are left out.

    Raises:
        NoTrainingSet: None is published.
        StaleInput: The set was pruned while it was read.
    """
    version, split = _find_newest(url)
    with connect_bulk(url) as connection, connection.cursor() as cursor:
        cursor.execute(_ROWS, (version, split, ",".join(map(str, learnt_from))))
        frame = cursor.fetch_arrow_table().to_pandas()
    if _find_newest(url)[0] != version:
        raise StaleInput(f"Training set {version} was superseded while its {split} split was read.")
    return HeldOut(version, split, rows_of_frame(frame), frame["target"].to_numpy(dtype="float64"))


def _find_newest(url: str) -> tuple[int, str]:
    with connect(url) as connection:
        row = connection.execute("SELECT version, test_from IS NOT NULL FROM training.newest").fetchone()
    if row is None:
        raise NoTrainingSet("No training set is published, so there is nothing to compare models on.")
    version, has_test_split = row
    return version, "test" if has_test_split else "validation"
