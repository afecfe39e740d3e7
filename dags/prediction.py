"""Predicts with the champion on request: the run's result contains a prediction for each row.

**Starts** through the REST API or by hand. `GET .../dagRuns/{id}/wait` returns the result as soon as it is ready.

**Produces** the result, and a row for each prediction in `prediction.log`.

**Parameters**: `inputs`, up to 10,000 rows with the inputs that the champion was trained with as fields, under their
neutral names or the source's; `level` of the intervals or label sets. Or one row, whose fields are parameters of their
own, under either name as well; the form says which of them may be left empty:
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, result, task

from include.models.intervals import DEFAULT_LEVEL, LEVELS
from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED
from include.orchestration.connections import get_warehouse_url
from include.orchestration.presentation import PREDICTIONS, first_sentence
from include.orchestration.runs import note_run
from include.prediction.form_fields import collect_inputs, make_fields
from include.prediction.inputs import MOST_ROWS
from include.prediction.value_names import read_names
from include.problem.words import show_example
from include.settings import read_settings, read_usable_settings

# The problem and the names of its values make the form: both are read as the file is parsed.
PROBLEM = read_usable_settings().problem
ONE, SEVERAL = PROBLEM.row
REGION = PROBLEM.objective.region
FIELDS = make_fields(PROBLEM, read_names(PROBLEM))
PARAMS = {
    **{
        field.column.name: Param(
            None,
            **field.schema,
            title=field.title,
            description=field.description,
            # A section of its own is folded until somebody opens it.
            **({"section": "More columns"} if field.folded else {}),
        )
        for field in FIELDS
    },
    "level": Param(
        DEFAULT_LEVEL,
        type="number",
        minimum=LEVELS[0] / 100,
        maximum=LEVELS[-1] / 100,
        title=f"Level of the {REGION}",
        section=REGION.capitalize(),
        description=f"Share of actual values that the {REGION} beside each prediction is to hold.",
    ),
    "inputs": Param(
        None,
        type=["array", "null"],
        # The champion may have been trained with other columns than are declared now: which, this file cannot know.
        items={"type": "object"},
        maxItems=MOST_ROWS,
        title=f"{SEVERAL.capitalize()} as JSON",
        section=f"Several {SEVERAL}",
        description=f"Instead of the one {ONE} above, for example {show_example(PROBLEM)}. The fields are those that"
        " the champion was trained with.",
    ),
}


@result
@task
def predict(**context: Any) -> dict[str, Any]:
    """Predicts and names the model; the prediction for a single row, or the error, is also in the note."""
    from include.errors import MltrainError
    from include.prediction import request

    params = context["params"]
    try:
        settings = read_settings()
        inputs = collect_inputs(params, settings.problem)
        predicted = request.predict(
            get_warehouse_url(), settings, inputs, context["dag_run"].run_id, level=params["level"]
        )
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
    doc_md=f"{__doc__.rstrip()} {', '.join(f'`{field.column.name}`' for field in FIELDS)}.",
    tags=[PREDICTIONS],
)
def prediction() -> None:
    """Spells the graph."""
    predict()


prediction()
