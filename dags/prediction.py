"""Predicts with the champion on request: the run's result contains a prediction for each trip.

**Starts** through the REST API or by hand. `GET .../dagRuns/{id}/wait` returns the result as soon as it is ready.

**Produces** the result, and a row for each prediction in `prediction.log`.

**Parameters**: `inputs`, up to 10,000 trips with pickup_zone, dropoff_zone, trip_distance and pickup_at (empty: now),
under these names or the source's; or one trip in `pickup_zone`, `dropoff_zone`, `trip_distance`, `pickup_at`.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, result, task

from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED
from include.orchestration.connections import get_warehouse_url
from include.orchestration.presentation import PREDICTIONS, first_sentence
from include.orchestration.runs import note_run
from include.prediction.inputs import MOST_ROWS, TIME, ZONE_BOUNDS, InputFormat, describe_row
from include.problems.taxi.zone_names import read_zone_names
from include.settings import read_settings, read_usable_settings

# The source's column names are settings, and the form's schema accepts them: both are read as the file is parsed.
FORMAT = InputFormat.of(read_usable_settings())
ZONES = read_zone_names()
ZONE: dict[str, Any] = {"type": ["integer", "null"], "minimum": ZONE_BOUNDS[0], "maximum": ZONE_BOUNDS[1]}
if ZONES:
    ZONE = {
        "type": ["integer", "null"],
        "enum": [None, *ZONES],
        "values_display": {"null": "none", **{str(zone): f"{zone} {name}" for zone, name in ZONES.items()}},
    }
PARAMS = {
    "pickup_zone": Param(
        None, **ZONE, title="Pickup zone", description="Id of the zone where the ride starts, for example 74."
    ),
    "dropoff_zone": Param(
        None, **ZONE, title="Dropoff zone", description="Id of the zone where the ride ends, for example 75."
    ),
    "trip_distance": Param(
        None,
        type=["number", "null"],
        minimum=FORMAT.distance[0],
        maximum=FORMAT.distance[1],
        title="Trip distance",
        description="In the unit of the training data (TLC: miles), for example 1.98.",
    ),
    "pickup_at": Param(
        None,
        type=["string", "null"],
        pattern=TIME,
        title="Pickup at",
        description="Local time, for example 2024-02-14T18:30. Empty: now.",
    ),
    "inputs": Param(
        None,
        type=["array", "null"],
        items=describe_row(FORMAT),
        maxItems=MOST_ROWS,
        title="Trips as JSON",
        section="Several trips",
        description='Instead of the one trip above, for example [{"pickup_zone": 74, "dropoff_zone": 75, '
        '"trip_distance": 1.98}].',
    ),
}


@result
@task
def predict(**context: Any) -> dict[str, Any]:
    """Predicts in minutes and names the model; the prediction for a single trip, or the error, is also in the note."""
    from include.errors import MltrainError
    from include.prediction import request

    params = context["params"]
    try:
        inputs = request.collect_inputs(params)
        predicted = request.predict(get_warehouse_url(), read_settings(), inputs, context["dag_run"].run_id)
    except MltrainError as error:
        note_run(context, str(error))
        raise
    if not params["inputs"]:
        note_run(context, request.describe(predicted))
    return predicted


@dag(
    schedule=None,
    catchup=False,
    dagrun_timeout=timedelta(minutes=10),
    # A call to a paused DAG would wait for ever.
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    on_failure_callback=RUN_FAILED,
    params=PARAMS,
    description=first_sentence(__doc__),
    doc_md=__doc__,
    tags=[PREDICTIONS],
)
def prediction() -> None:
    """Spells the graph."""
    predict()


prediction()
