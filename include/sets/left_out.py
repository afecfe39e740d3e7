"""Which of the loaded rows are no examples of a training set, and why: every row is one or is counted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from include.problem.inference.leaks import describe_suspects
from include.warehouse import connect

# Why a set leaves out a row that broke no rule; what is in bounds is a setting of the set and not of its raw months.
TARGET_BELOW = "target: below TARGET_MIN"
TARGET_ABOVE = "target: above TARGET_MAX"
TARGET_MISSING = "target: not a number"
CLASS_MISSING = "target: missing"
TARGET_RULES = (TARGET_BELOW, TARGET_ABOVE, TARGET_MISSING, CLASS_MISSING)


def sum_by_rule(left_out: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Rule -> rows that it kept out of a set, in all months together, most rows first.

    Args:
        left_out: As in `training.sets`: month, rule and rows.
    """
    rows: Counter[str] = Counter()
    for entry in left_out:
        rows[entry["rule"]] += entry["rows"]
    return dict(rows.most_common())


def describe(url: str, version: int) -> str:
    """Where the loaded rows of a built version are: so many examples of each split, so many left out by each rule.

    Columns that may only be known with the target are named behind.
    """
    with connect(url) as connection:
        row = connection.execute(
            "SELECT counts, left_out, suspects, declaration ->> 'target' FROM training.sets WHERE version = %s",
            [version],
        ).fetchone()
    assert row is not None
    counts, left_out, suspects, target = row
    splits = {name: counts[name] for name in ("train", "validation", "test") if counts[name]}
    by_rule = sum_by_rule(left_out)
    used = ", ".join(f"{rows:,} {name}" for name, rows in splits.items()) or "none"
    left = ", ".join(f"{rows:,} by '{rule}'" for rule, rows in by_rule.items()) or "none"
    loaded = sum(splits.values()) + sum(by_rule.values())
    account = f"Training set {version}: of {loaded:,} rows, examples: {used}; left out: {left}."
    return " ".join([account, *describe_suspects(suspects, target)])
