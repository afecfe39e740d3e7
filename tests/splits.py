"""Small splits of plausible trips for tests, in the columns that features are computed of."""

import numpy as np

from include.models.table import MODELS
from include.problem.data import Columns, Split, Values
from include.problem.declaration import Problem
from include.problem.problem_file import read_problem
from include.problems.taxi.features import Positions

PROBLEM = read_problem("taxi")
ZONES = 6
NUMBER_TYPES = [name for name, model in MODELS.items() if model.task == "regression"]
# Minutes from which on a trip is of the next class.
_EDGES = {2: [26.0], 3: [15.0, 30.0]}
# A row of zones along a parallel, 0.02 degrees (about a mile) apart; zone 6 has no position.
POSITIONS = Positions.from_zones(
    range(1, ZONES + 1), [-74.00, -73.98, -73.96, -73.94, -73.92, np.nan], [40.7, 40.7, 40.7, 40.7, 40.7, np.nan]
)

REFERENCES = {"zones": POSITIONS}


def make_trips(pickup_at: list[str], zones: list[tuple[int, int]], distance: list[float]) -> Columns:
    """Trips by literal values; `zones` are pairs of pickup and dropoff."""
    return {
        "pickup_at": np.array(pickup_at, dtype="datetime64[us]"),
        "pickup_zone": np.array([pair[0] for pair in zones], dtype=np.int64),
        "dropoff_zone": np.array([pair[1] for pair in zones], dtype=np.int64),
        "trip_distance": np.array(distance, dtype=np.float64),
    }


def make_split(rows: int, seed: int = 0) -> Split:
    """Seeded trips whose duration follows from distance and hour, with noise."""
    draw = np.random.default_rng(seed)
    minutes = draw.integers(0, 31 * 24 * 60, rows)
    distance = draw.uniform(0.5, 9.0, rows)
    trips = {
        "pickup_at": np.datetime64("2024-01-01", "us") + minutes.astype("timedelta64[m]"),
        "pickup_zone": draw.integers(1, ZONES + 1, rows),
        "dropoff_zone": draw.integers(1, ZONES + 1, rows),
        "trip_distance": distance,
    }
    rush_hour = 0.3 * np.abs(minutes // 60 % 24 - 12)
    return Split(trips, 3 + 4 * distance - rush_hour + draw.normal(0, 1, rows).clip(-2, 2) + 2)


def take(trips: Columns, rows: slice) -> Columns:
    """Some of the trips."""
    return {name: values[rows] for name, values in trips.items()}


def declare_classes(*labels: str, **values: object) -> Problem:
    """The problem of what kind of trip it is, by its duration."""
    columns = {name: column.model_dump(exclude={"name"}) for name, column in PROBLEM.columns.items()}
    of_numbers = {"elapsed", "unit", "target_min", "target_max", "columns"}
    of_classes = {"target": "kind", "task": "classification", "classes": labels, "columns": columns}
    return Problem(**{**PROBLEM.model_dump(exclude=of_numbers), **of_classes, **values})


SHORT_OR_LONG, LENGTHS = declare_classes("short", "long"), declare_classes("short", "usual", "long")


def as_classes(split: Split, count: int = 2) -> Split:
    """The trips with the number of their class as target."""
    return Split(split.rows, np.digitize(split.target, _EDGES[count]).astype("float64"))


def problem_for(name: str) -> Problem:
    """What a model type of that name can predict of trips."""
    return next(problem for problem in (PROBLEM, SHORT_OR_LONG, LENGTHS) if MODELS[name].fits(problem))


def make_split_for(name: str, rows: int, seed: int = 0) -> Split:
    """Trips with a target of `problem_for`."""
    split, classes = make_split(rows, seed), len(problem_for(name).labels)
    return as_classes(split, classes) if classes else split


def predict_mean(problem: Problem, target: Values) -> Values:
    """The mean of the targets, or the share of each class, for every row."""
    if not problem.labels:
        return np.full(len(target), target.mean())
    shares = np.bincount(target.astype(int), minlength=len(problem.labels)) / len(target)
    return np.tile(shares, (len(target), 1))
