"""Problems of classes for tests: of two, whose positive one the source names first, and of three."""

from include.problem.declaration import Problem

CHURN = Problem(
    name="churn",
    title="Churn",
    row=("customer", "customers"),
    model="churn",
    source="file:///data/churn.csv",
    target="Left",
    task="classification",
    classes=("Yes", "No"),
    positive="Yes",
    time="since",
    columns={"since": {"kind": "time"}, "fee": {"kind": "number", "unit": "euros"}, "plan": {"kind": "category"}},
    slices=[{"column": "plan", "most_frequent": 2}],
)  # type: ignore[arg-type]
# Two labels are digits that are not their numbers.
GRADES = Problem(
    name="grades",
    source="file:///data/grades.csv",
    target="Grade",
    task="classification",
    classes=("1", "0", "none"),
    columns={"hours": {"kind": "number"}},
)  # type: ignore[call-arg,arg-type]
