"""A second problem for tests, with each kind that a model takes and with values that may be missing."""

from include.problem.declaration import Problem

RENTALS = Problem(
    name="rentals",
    title="Bike rentals",
    row=("hour", "hours"),
    model="bike-rentals",
    source="file:///data/rentals.csv",
    target="Rented",
    unit="bikes",
    time="at_hour",
    timezone="Asia/Seoul",
    columns={
        "at_hour": {"source": "Date", "kind": "time", "title": "Hour", "required": True, "when_missing": "now"},
        "weather": {
            "source": "Weather",
            "kind": "category",
            "description": "In a word",
            "example": "sunny",
            "required": True,
        },
        "holiday": {"kind": "flag", "required": True, "example": True},
        "temperature": {"source": "Temp", "kind": "number", "unit": "°C", "example": 21.5, "min": -40, "max": 50},
        "station": {"kind": "code", "min": 0},
        "opened_at": {"kind": "time"},
        "remark": {"kind": "text"},
    },
)  # type: ignore[arg-type]
HOUR = {"at_hour": "2024-05-01T08:00", "weather": "sunny", "holiday": "no", "temperature": 21.5}
