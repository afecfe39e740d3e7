"""Classification: the probability of each class is predicted, and to be sure and wrong costs most."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.problem.objectives.objective import Measure, Objective

if TYPE_CHECKING:
    from include.problem.data import Values
    from include.problem.declaration import Problem

# No probability counts as less: the loss of a row stays finite.
LEAST = 1e-15
# Of equal width, as calibration errors are usually told: C. Guo et al., "On Calibration of Modern Neural Networks",
# ICML 2017.
BINS = 10
_LOG_LOSS = f"avg(-ln(greatest(({{predicted}})[{{actual}}::int + 1], {LEAST})))"
_BRIER = (
    "avg((SELECT sum(power(p - (k = {actual}::int + 1)::int, 2)) FROM unnest({predicted}) WITH ORDINALITY AS of_class"
    "(p, k)))"
)


def make_classification(problem: "Problem") -> Objective:
    """The mean of the negative logarithm of the probability that the actual class was given."""
    log_loss = Measure("log_loss", "log loss", sql=_LOG_LOSS)
    # Of two classes, both squares are one: it counts once.
    brier = Measure("brier", "Brier score", sql=f"{_BRIER} / 2" if len(problem.labels) == 2 else _BRIER)
    accuracy, calibration = Measure("accuracy", "accuracy"), Measure("calibration_error", "calibration error")
    area = Measure("roc_auc", "ROC AUC")
    return Objective(
        main=log_loss,
        article="a",
        labels=problem.labels,
        loss=find_losses,
        aggregate=keep_mean,
        distance=find_divergences,
        # Where none of n rows was wrong, 3 of n may be: J. A. Hanley, A. Lippman-Hand, "If Nothing Goes Wrong, Is
        # Everything All Right?", JAMA 249, 1983.
        least=lambda rows: 3 / rows,
        residuals=find_surplus,
        center="mean",
        tell_shift=lambda shift, limit: (
            f"{problem.labels[1] if len(problem.labels) == 2 else 'the most probable class'} is given a probability"
            f" {abs(shift):.1%} too {'high' if shift > 0 else 'low'}, against where it was judged (limit {limit:.1%})"
        ),
        measure=measure,
        constants=lambda target: {"class shares": list_shares(problem.labels, target)},
        score=take_score,
        region="label set",
        # The most probable class is always in a set, and a good model is right more often than was asked for.
        holds_more=True,
        logged="probabilities",
        sql_actual="mode() WITHIN GROUP (ORDER BY target)",
        of_baselines=(log_loss, brier),
        in_tables=(log_loss, brier, area, Measure("pr_auc", "PR AUC"), accuracy, calibration),
        in_bars=(log_loss, brier, calibration),
        in_slices=(log_loss, brier, accuracy),
    )


def keep_mean(mean: Any) -> Any:
    """The error is the mean of the losses itself."""
    return mean


def list_shares(labels: tuple[str, ...], target: Mapping[str, Any]) -> list[float]:
    """The share of each class among the rows of the training split."""
    counts = [target["frequent"].get(label, 0) for label in labels]
    return [count / sum(counts) for count in counts]


def find_losses(actual: "Values", predicted: "Values") -> "Values":
    """The negative logarithm of the probability of the actual class, (n,).

    Args:
        actual: The number of each row's class, (n,).
        predicted: Probabilities, (n, k).
    """
    import numpy as np

    given = np.take_along_axis(predicted, actual.astype(np.intp)[:, None], axis=1)[:, 0]
    losses: Values = -np.log(np.maximum(given, LEAST))
    return losses


def find_divergences(predicted: "Values", other: "Values") -> "Values":
    """The Kullback-Leibler divergence of `other` from `predicted` by row, (n,): what it costs to be told the former."""
    import numpy as np

    ratios = np.log(np.maximum(other, LEAST)) - np.log(np.maximum(predicted, LEAST))
    divergences: Values = np.sum(other * ratios, axis=1)
    return divergences


def take_score(predicted: "Values") -> "Values":
    """The probability of the second of two classes, of more that of the most probable one, (n,)."""
    return predicted[:, 1] if predicted.shape[1] == 2 else predicted.max(axis=1)


def find_surplus(actual: "Values", predicted: "Values") -> "Values":
    """By how much too probable a row's class was, (n,): of two classes the second one, else the most probable one."""
    happened = actual if predicted.shape[1] == 2 else actual == predicted.argmax(axis=1)
    surplus: Values = take_score(predicted) - happened
    return surplus


def measure(actual: "Values", predicted: "Values") -> dict[str, float]:
    """How good probabilities, (n, k), are for the numbers of actual classes, (n,).

    Returns:
        log_loss and brier (halved of two classes); roc_auc and pr_auc, of several classes the mean over each against
        all others, left out where the rows are of one class alone; accuracy of the most probable class;
        calibration_error, the expected one over `BINS` bins, of two classes that of the second, else of the most
        probable one.

    Raises:
        ValueError: There are no rows.
    """
    import numpy as np

    if not len(actual):
        raise ValueError("There are no rows to measure an error on: choose days or a slice that hold some.")
    of_two, codes = predicted.shape[1] == 2, actual.astype(np.intp)
    squares = (predicted - np.eye(predicted.shape[1])[codes]) ** 2
    chosen = predicted.argmax(axis=1)
    return {
        "log_loss": float(find_losses(actual, predicted).mean()),
        "brier": float(squares.sum(axis=1).mean()) / (2 if of_two else 1),
        "accuracy": float(np.mean(chosen == codes)),
        "calibration_error": find_calibration_error(codes == (1 if of_two else chosen), take_score(predicted)),
        **_measure_ranks(codes, predicted),
    }


def find_calibration_error(happened: Any, probability: "Values") -> float:
    """The mean distance between probability and frequency over bins of the former, by their rows.

    Args:
        happened: Whether it did, (n,).
    """
    import numpy as np

    bins = np.minimum((probability * BINS).astype(np.intp), BINS - 1)
    surplus = np.bincount(bins, weights=probability - happened, minlength=BINS)
    return float(np.abs(surplus).sum() / len(probability))


def _measure_ranks(codes: Any, predicted: "Values") -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    classes = range(1, 2) if predicted.shape[1] == 2 else range(predicted.shape[1])
    told = [(codes == at, predicted[:, at]) for at in classes if 0 < (codes == at).sum() < len(codes)]
    if not told:
        return {}
    return {
        "roc_auc": sum(float(roc_auc_score(*each)) for each in told) / len(told),
        "pr_auc": sum(float(average_precision_score(*each)) for each in told) / len(told),
    }
