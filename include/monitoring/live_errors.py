"""The error of logged predictions, once the real trips of their time have arrived."""

from include.settings import Settings
from include.warehouse import connect

# A ride is found by what was known of it at pickup. Rides that look alike give it each of their durations equally:
# which of them was asked for, nobody can tell.
_MEASURE = """
    WITH rides AS (
        SELECT pickup_at, pickup_zone, dropoff_zone, trip_distance, avg(target) AS minutes
        FROM raw.accepted
        WHERE pickup_at BETWEEN (SELECT min(pickup_at) FROM prediction.log)
                            AND (SELECT max(pickup_at) FROM prediction.log)
          AND target BETWEEN %(target_min)s AND %(target_max)s
        GROUP BY 1, 2, 3, 4
    )
    INSERT INTO monitoring.live_errors (model_version, week, rows, rmse, mae)
    SELECT l.model_version::text, date_trunc('week', l.pickup_at)::date, count(*),
           sqrt(avg(power(l.predicted - r.minutes, 2))), avg(abs(l.predicted - r.minutes))
    FROM prediction.log l
    JOIN rides r USING (pickup_at, pickup_zone, dropoff_zone, trip_distance)
    GROUP BY 1, 2
    ON CONFLICT (model_version, week) DO UPDATE
    SET rows = excluded.rows, rmse = excluded.rmse, mae = excluded.mae, measured_at = now()
    RETURNING rows
"""


def measure_live_errors(url: str, settings: Settings) -> int:
    """Stores RMSE and MAE, in the target's unit, for each model version and week of pickup.

    Returns:
        The number of logged predictions whose real trip has arrived; 0 where nothing was ever predicted.
    """
    bounds = {"target_min": settings.problem.target_min, "target_max": settings.problem.target_max}
    with connect(url) as connection:
        if connection.execute("SELECT to_regclass('prediction.log')").fetchone() == (None,):
            return 0
        return sum(rows for (rows,) in connection.execute(_MEASURE, bounds))
