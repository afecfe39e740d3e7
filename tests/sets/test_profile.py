"""What a column of a training set looks like, where its name is that of a part of the time."""

import numpy as np
import pytest

from include.problem.data import Split
from include.problem.declaration import Problem
from include.problem.kinds import KindName
from include.sets.profile import columns_of, list_watched, profile_split

TIMES = np.array(["2024-05-01T08:00", "2024-05-02T09:00", "2024-05-02T10:00"], "datetime64[us]")
HOURS = np.array([1.5, 2.5, 3.5])
DAYS = np.array(["Mon", "Sat", "Sat"], dtype=object)


def declare(*names: str) -> Problem:
    """A problem with a time and columns of these names."""
    kinds: dict[str, KindName] = {"at_hour": "time", "hour": "number", "weekday": "category", "x": "number"}
    columns = {name: {"kind": kinds[name]} for name in ("at_hour", *names)}
    return Problem(name="shop", source="file:///t.csv", target="y", time="at_hour", columns=columns)  # type: ignore


def make_split(problem: Problem) -> Split:
    every = {"at_hour": TIMES, "hour": HOURS, "weekday": DAYS, "x": HOURS}
    return Split({name: every[name] for name in problem.dtypes}, np.ones(3))


@pytest.mark.parametrize("names", [("hour", "weekday", "x"), ("x", "weekday", "hour")])
@pytest.mark.parametrize("time_last", [False, True])
def test_column_keeps_its_name_where_the_time_has_a_part_of_that_name(names: tuple[str, ...], time_last: bool) -> None:
    problem = declare(*names)
    if time_last:
        columns = dict(sorted(problem.columns.items(), key=lambda column: column[0] == "at_hour"))
        problem = problem.model_copy(update={"columns": columns})
    split = make_split(problem)
    profile, values = profile_split(problem, split), columns_of(problem, split)
    assert profile["hour"]["mean"] == 2.5
    assert profile["weekday"]["frequent"] == {"Sat": 2, "Mon": 1}
    assert (values["hour"].tolist(), values["weekday"].tolist()) == (HOURS.tolist(), DAYS.tolist())
    watched = list_watched(problem)
    assert sorted(watched) == ["hour", "target", "weekday", "x"]
    assert set(watched) <= values.keys() == profile.keys()


def test_parts_of_the_time_have_the_names_that_no_column_has() -> None:
    problem = declare("hour", "x")
    assert profile_split(problem, make_split(problem)).keys() == {"hour", "weekday", "x", "target"}
    problem = declare("x")
    profile = profile_split(problem, make_split(problem))
    assert (profile["hour"]["frequent"], profile["weekday"]["distinct"]) == ({"8": 1, "9": 1, "10": 1}, 2)
    assert list_watched(problem) == ("hour", "x", "target")
