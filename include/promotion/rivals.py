"""What a challenger is judged against, and on which rows: those that neither has learnt from."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from include.errors import ModelInvalid, NoTrainingSet
from include.problem.data import Values
from include.promotion.comparison import MINIMUM_ROWS, count_unusable
from include.promotion.usability import forget_unusable, note_unusable, predict_with
from include.sets.examples import read_problem_of
from include.sets.holdout import HeldOut, load_held_out
from include.tracking import registry
from include.tracking.registry import PREVIOUS, RegisteredVersion
from include.tracking.runs import Tracker


@dataclass(frozen=True)
class Rival:
    """What a challenger is judged against.

    Attributes:
        version: None for the best baseline.
        held_out: Rows that neither has learnt from.
        predicted: The rival's predictions of them; None where it is a baseline.
        is_champion: Whether it is the present champion.
        peer: Predictions of the present champion where that is a peer, see `choose_rival`, and not the rival.
    """

    version: RegisteredVersion | None
    held_out: HeldOut
    predicted: Values | None
    is_champion: bool = False
    peer: Values | None = None


def choose_rival(
    url: str,
    tracker: Tracker,
    challenger: RegisteredVersion,
    champion: RegisteredVersion | None,
    peers: Collection[int],
) -> Rival:
    """The champion; where it cannot be used or compared, or there is none, the previous one; else the best baseline.

    Args:
        peers: Versions that were trained on the challenger's set, see `list_peers`. None of them is a rival: where one
            is champion, it is so because its family was trained first.
    """
    previous = registry.find_version(tracker, challenger.name, PREVIOUS)
    if previous and previous.version in {challenger.version, champion and champion.version}:
        previous = None
    rival = _choose(url, tracker, challenger, champion, previous, peers)
    held_out = rival.held_out
    if champion and champion.version in peers and len(held_out.actual) and _is_comparable(url, champion, held_out):
        peer = _predict(url, tracker, champion, held_out, twin=champion.has_twin, is_champion=True)
        return replace(rival, peer=peer)
    return rival


def _choose(
    url: str,
    tracker: Tracker,
    challenger: RegisteredVersion,
    champion: RegisteredVersion | None,
    previous: RegisteredVersion | None,
    peers: Collection[int],
) -> Rival:
    for version in filter(None, (champion, previous)):
        if version.version in peers:
            continue
        held_out, is_twin = _load_held_out(url, challenger, version)
        if not _is_comparable(url, version, held_out):
            continue
        is_champion = version is champion
        predicted = _predict(url, tracker, version, held_out, twin=is_twin, is_champion=is_champion)
        if predicted is not None:
            return Rival(version, held_out, predicted, is_champion)
    return Rival(None, load_held_out(url, _list_learnt(challenger)), None)


def _is_comparable(url: str, version: RegisteredVersion, held_out: HeldOut) -> bool:
    """Whether a version can be measured by held-out rows; if not, it may still be of use, and stays what it is."""
    try:
        own = read_problem_of(url, version.training_set or 0)
    except NoTrainingSet:
        return True
    problem = held_out.problem
    if own.labels != problem.labels:
        # There is no common measure of other classes, or of a number.
        return False
    if not own.dtypes.items() <= problem.dtypes.items():
        # A column that it takes is not declared any more, or holds values of another kind.
        return False
    # A set that was split otherwise may have learnt from any row: none will ever be left.
    return len(held_out.actual) > 0 or own.split_by == problem.split_by == "time"


def _predict(
    url: str, tracker: Tracker, version: RegisteredVersion, held_out: HeldOut, *, twin: bool, is_champion: bool
) -> Values | None:
    """A version's predictions, (n,), of held-out rows; None where it cannot be used, which is noted of the champion."""
    try:
        if twin:
            # The version itself is what has to be of use.
            predict_with(tracker, version)
        predicted = predict_with(tracker, version, held_out.rows if len(held_out.actual) else None, twin=twin)
    except ModelInvalid as error:
        if is_champion:
            note_unusable(url, version, str(error))
        return None
    if is_champion:
        forget_unusable(url, version.name, version.version)
    return predicted


def _load_held_out(url: str, challenger: RegisteredVersion, rival: RegisteredVersion) -> tuple[HeldOut, bool]:
    """The rows to compare two versions on, and whether the rival's twin has to predict them.

    The challenger's twin always does. A rival that has learnt from all rows of its set is compared itself where there
    are enough others.
    """
    if rival.has_twin:
        held_out = load_held_out(url, _list_learnt(challenger), _list_learnt(rival))
        if len(held_out.actual) >= MINIMUM_ROWS:
            return held_out, False
    return load_held_out(url, _list_learnt(challenger, rival)), rival.has_twin


def _list_learnt(*versions: RegisteredVersion) -> list[int]:
    return [version.training_set for version in versions if version.training_set]


def find_best_baseline(held_out: HeldOut) -> str | None:
    """The name of the baseline with the lowest error on these rows; None where none can be measured."""
    loss = held_out.problem.objective.loss
    with np.errstate(over="ignore"):
        errors = {
            name: float(loss(held_out.actual, predicted).mean())
            for name, predicted in held_out.baselines.items()
            if len(predicted) and not count_unusable(predicted)
        }
    return min(errors, key=errors.__getitem__, default=None)
