"""The model card: what a version was trained on, how well it does and where, and what was decided on it, as Markdown.

After M. Mitchell et al., "Model Cards for Model Reporting", 2019.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.errors import NoTrainingSet
from include.models.estimates import name_estimated
from include.problem.declaration import Problem
from include.problem.inference.leaks import describe_suspects
from include.problem.objectives.classification import list_shares
from include.problem.words import name_bounds, name_parts, name_unit, show_amount
from include.promotion.comparison import Comparison
from include.promotion.decisions import Promotion
from include.promotion.significance import POWER
from include.sets.baselines import HELD_OUT, Baseline
from include.sets.holdout import HeldOut
from include.sets.split import describe_split
from include.tracking.registry import RegisteredVersion
from include.warehouse import connect

LINEAGE = (
    "run_key",
    "run_id",
    "training_set_fingerprint",
    "feature_set",
    "mltrain_version",
    "git_commit",
    "random_state",
)
MOST_SLICES = 40
DECISIONS = {"waiting": "It wins and may become champion.", "rejected": "It does not become champion."}


@dataclass(frozen=True)
class TrainingSetFacts:
    """What is known of a training set even after its examples were pruned.

    Attributes:
        target: The figures of the training split's target, see `profile_split`.
    """

    version: int
    months: tuple[str, ...]
    validation_from: str | None
    counts: dict[str, int]
    target: Mapping[str, Any]
    suspects: dict[str, float]


def list_sets(url: str) -> set[int]:
    """The training sets that facts are known of."""
    with connect(url) as connection:
        rows = connection.execute("SELECT version FROM training.sets WHERE statistics IS NOT NULL").fetchall()
    return {version for (version,) in rows}


def load_training_set_facts(url: str, version: int | None) -> TrainingSetFacts:
    """Reads them from training.sets.

    Raises:
        NoTrainingSet: There is no such version.
    """
    with connect(url) as connection:
        row = connection.execute(
            "SELECT version, months, validation_from::text, counts, statistics -> 'target', suspects FROM training.sets"
            " WHERE version = %s AND statistics IS NOT NULL",
            [version],
        ).fetchone()
    if row is None:
        raise NoTrainingSet(f"Training set {version}, which a registered model names, is not in training.sets.")
    return TrainingSetFacts(row[0], tuple(row[1]), *row[2:])


def render_card(
    version: RegisteredVersion,
    decision: Promotion,
    facts: TrainingSetFacts,
    held_out: HeldOut,
    comparison: Comparison | None,
    baselines: Sequence[Baseline],
    metrics: Mapping[str, float],
) -> str:
    """The card of a version that was just judged; errors in the unit of the target.

    Args:
        metrics: Of the version's training, by split and measure.
    """
    role = "the champion" if decision.rival_version == decision.champion_version else "the previous champion"
    rival = f"the best baseline, the {decision.baseline}" if decision.baseline else "nothing: there is no baseline"
    if decision.rival_version:
        rival = f"version {decision.rival_version}, {role}"
    problem, sampled = held_out.problem, version.tags.get("fitted_to")
    parts = [
        f"# {version.name} version {version.version}: {decision.model}",
        f"**{DECISIONS[decision.state]}** {decision.reason}.",
        "## Data",
        (
            f"Training set {facts.version}: of {name_parts(facts.months)};"
            f" {describe_split(facts.validation_from, problem)} ({facts.counts['train']} rows)."
            f" {describe_target(facts.target, problem)}"
        ),
        *([f"It is fitted to {sampled}: its model type needs them all in memory."] if sampled else []),
        *describe_suspects(facts.suspects, problem.target),
        "## Lineage",
        _table(("what", "value"), [(name, version.tags.get(name, "")) for name in LINEAGE]),
        "## Judged on",
        *_judged_on(held_out, rival, comparison, has_twin=version.has_twin),
        *(f"Rows count with a target of {bounds} only, here and in live errors." for bounds in name_bounds(problem)),
    ]
    if comparison:
        parts += [*_errors(comparison), "## Slices", _slices(comparison)]
    if baselines:
        parts += ["## Baselines", _baselines(baselines, problem)]
    if estimated := [column.name for column in problem.inputs if column.estimated_by]:
        parts += ["## Values that are estimated", *_estimated(estimated, problem, metrics)]
    return "\n\n".join(parts) + "\n"


def describe_target(figures: Mapping[str, Any], problem: Problem) -> str:
    """A sentence on the training split's target, by its figures."""
    if problem.labels:
        shares = zip(problem.labels, list_shares(problem.labels, figures), strict=True)
        return f"The classes there are {', '.join(f'{label} ({share:.1%})' for label, share in shares)}."
    mean, deviation = show_amount(figures["mean"]), show_amount(figures["deviation"], problem.unit)
    return f"The target's mean there is {mean}, its deviation {deviation}."


def _judged_on(held_out: HeldOut, rival: str, comparison: Comparison | None, *, has_twin: bool) -> list[str]:
    seen = "that no search has seen" if held_out.split == "test" else "that neither model was trained on"
    where = f"The {held_out.split} split of training set {held_out.set_version}"
    lines = [f"{where}, {len(held_out.actual)} rows {seen}, against {rival}."]
    if held_out.split != "test":
        lines.append(
            "The search chose the parameters by the same rows, so that the error is a little too low. With a test"
            " split, other rows judge: leave VALIDATION_FROM empty, or set TEST_FROM as well."
        )
    if has_twin:
        lines.append(
            "Judged was the version's twin, the folder `judged` of its run, which was fitted without these rows. The"
            " version itself has the same parameters and has learnt from all rows."
        )
    if comparison:
        lines.append(
            f"Look {comparison.look} on these rows: so many versions were compared on them, and the confidence that a"
            f" winner needs rises with each. In {POWER:.0%} of such comparisons a gain of"
            f" {comparison.smallest_gain:.1%} would have been told from chance; a smaller one may be missed."
        )
    return lines


def _estimated(columns: Sequence[str], problem: Problem, metrics: Mapping[str, float]) -> list[str]:
    by = {name: " and ".join(problem.columns[name].estimated_by) for name in columns}
    told = "; ".join(f"{name}: the median of the training rows of equal {others}" for name, others in by.items())
    objective = problem.objective
    kinds = ("as measured", "with estimates")
    header = ("split", *(name_unit(f"{objective.name} {kind}", objective.unit) for kind in kinds))
    rows = [
        (split, show_amount(metrics[f"{split}_{objective.key}"]), show_amount(metrics[estimated]))
        for split in HELD_OUT
        if (estimated := name_estimated(objective, split)) in metrics
    ]
    return [
        (
            f"Measured only after one predicts: {', '.join(columns)}. A request holds an estimate, so that the error is"
            f" nearer to the second one. The estimate here is, of {told}."
        ),
        *([_table(header, rows)] if rows else ["Not measured for this version."]),
    ]


def _baselines(baselines: Sequence[Baseline], problem: Problem) -> str:
    objective, splits = problem.objective, [split for split in HELD_OUT if split in baselines[0].errors]
    header = ("baseline", *(name_unit(f"{objective.name} on {split}", objective.unit) for split in splits))
    rows = [(each.name, *(show_amount(each.errors[split][objective.key]) for split in splits)) for each in baselines]
    return _table(header, rows)


def _errors(comparison: Comparison) -> list[str]:
    (low, high), name = comparison.interval, comparison.objective.name
    return [
        _table(
            (name, f"rival's {name}", f"difference, {comparison.confidence * 100:.4g} % interval", "gain"),
            [
                (
                    show_amount(comparison.challenger_error),
                    show_amount(comparison.champion_error),
                    f"{show_amount(low, signed=True)} to {show_amount(high, signed=True)}",
                    f"{comparison.gain:.1%}",
                )
            ],
        )
    ]


def _slices(comparison: Comparison) -> str:
    # Those that speak against the model, then the largest; in their order.
    shown = sorted(comparison.slices, key=lambda part: (-part.is_worse, -part.rows))[:MOST_SLICES]
    rows = [
        (part.slicing, part.value, part.rows, show_amount(part.challenger_error), show_amount(part.champion_error),
         f"{part.regression:+.1%}", "yes" if part.is_worse else "")
        for part in comparison.slices
        if part in shown
    ]  # fmt: skip
    name = comparison.objective.name
    return _table(("slicing", "value", "rows", name, f"rival's {name}", "change", "worse beyond chance"), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
