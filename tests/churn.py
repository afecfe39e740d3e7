"""Two problems of classes, of two and of three, and rows of them whose probabilities are known."""

import numpy as np
import pandas as pd

from include.problem.data import Split, columns_of_frame
from include.problem.declaration import Problem

COLUMNS = {"months": {"kind": "number"}, "contract": {"kind": "category"}}
CHURN = Problem(
    name="churn",
    title="Customers who leave",
    row=("customer", "customers"),
    source="file:///data/churn.csv",
    target="churned",
    split="hash",
    task="classification",
    classes=("No", "Yes"),
    positive="Yes",
    columns=COLUMNS,
)  # type: ignore[arg-type]
GRADES = Problem(
    name="grades",
    row=("customer", "customers"),
    source="file:///data/grades.csv",
    target="grade",
    split="hash",
    task="classification",
    classes=("low", "medium", "high"),
    columns=COLUMNS,
)  # type: ignore[arg-type]
CONTRACTS = ("monthly", "yearly")


def find_probabilities(frame: pd.DataFrame, classes: int) -> np.ndarray:
    """The probability of each class by row, (n, classes), after which targets are drawn."""
    lean = frame["months"] / 30 - 1 - (frame["contract"] == "yearly")
    scores = np.outer(lean, np.arange(classes))
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def make_customers(rows: int, seed: int = 0, problem: Problem = CHURN) -> pd.DataFrame:
    """Seeded customers as a source would have them, the target in words."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({"months": draw.uniform(0, 72, rows), "contract": draw.choice(CONTRACTS, rows)})
    reached = find_probabilities(frame, len(problem.labels)).cumsum(axis=1)[:, :-1]
    codes = (draw.random(rows)[:, None] > reached).sum(axis=1)
    return frame.assign(**{str(problem.target): np.array(problem.labels, dtype=object)[codes]})


def make_split(rows: int, seed: int = 0, problem: Problem = CHURN) -> Split:
    """The same as a split of a training set, the target as the numbers of classes."""
    frame = make_customers(rows, seed, problem)
    codes = frame[str(problem.target)].map(problem.labels.index).to_numpy(dtype="float64")
    return Split(columns_of_frame(problem, frame), codes)
