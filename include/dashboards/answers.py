"""A chart's answer as JSON: what to draw, or what to say if there is nothing to draw or it is not available."""

import json
import logging
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from include.dashboards.context import Context
from include.dashboards.drawing.charts import Chart, read_rows
from include.dashboards.drawing.tables import Facts, Table
from include.errors import MltrainError

log = logging.getLogger(__name__)
NOT_READABLE = "This card shows runs of {dags}, which you may not read."
NOT_THERE_YET = "This table does not exist yet. Restart the stack to run pending migrations."
BROKEN = "This chart could not be drawn; see the log of Airflow's API server."


def answer(chart: Chart, context: Context) -> str:
    """Draws a chart for a person; the answer reports any error, so that the rest of the page still works."""
    hidden = [dag for dag in chart.dags if dag not in context.viewer.readable]
    if hidden:
        return _say("empty", NOT_READABLE.format(dags=", ".join(hidden)))
    try:
        rows = read_rows(chart.query, context)
        return _show(chart.show(rows, context)) if rows else _say("empty", chart.empty)
    except MltrainError as error:
        return _say("error", str(error))
    except psycopg.errors.UndefinedTable:
        return _say("empty", NOT_THERE_YET)
    except Exception:
        log.exception("Chart %s could not be drawn", chart.name)
        return _say("error", BROKEN)


def _say(kind: str, text: str) -> str:
    return json.dumps({"kind": kind, "text": text})


def _show(drawn: Any) -> str:
    if isinstance(drawn, Table):
        rows = [[_cell(value) for value in row] for row in drawn.rows]
        return json.dumps({"kind": "table", "columns": list(drawn.columns), "rows": rows})
    if isinstance(drawn, Facts):
        return json.dumps({"kind": "facts", "facts": [asdict(fact) for fact in drawn.facts]})
    return f'{{"kind": "figure", "figure": {drawn.to_json()}}}'


def _cell(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, date):
        return value.isoformat()
    return value
