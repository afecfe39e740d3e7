"""Moves the aliases `champion` and `previous`; a version that becomes champion is no challenger any more.

MLflow sets one alias at a time. What is to be done is written to training.promotions before the first one moves, so
that whoever comes next completes what a kill interrupted; at no moment is there no champion.
"""

import logging
from dataclasses import replace

from include.errors import ModelInvalid, NoChampion
from include.promotion import decisions
from include.promotion.decisions import Promotion, describe
from include.promotion.usability import find_unusable, forget_unusable, note_unusable, predict_with
from include.settings import Settings
from include.tracking import registry, runs
from include.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, START_TRAINING
from include.tracking.runs import Tracker

log = logging.getLogger(__name__)


def move_aliases(url: str, tracker: Tracker, promotion: Promotion) -> Promotion:
    """Makes a version the champion, and its rival the previous one, see `Promotion`. The caller holds the lock."""
    decisions.set_state(url, promotion, "moving")
    previous = promotion.rival_version or _find_usable_champion(url, promotion)
    if previous is not None:
        registry.set_alias(tracker, promotion.name, PREVIOUS, previous)
    else:
        # Whatever it points at cannot be used: nobody shall roll back to that.
        registry.remove_alias(tracker, promotion.name, PREVIOUS)
    registry.set_alias(tracker, promotion.name, CHAMPION, promotion.version)
    challenger = registry.find_version(tracker, promotion.name, CHALLENGER)
    if challenger and challenger.version == promotion.version:
        registry.remove_alias(tracker, promotion.name, CHALLENGER)
    registry.tag_version(tracker, promotion.name, promotion.version, {"decision": "promoted"})
    decisions.set_state(url, promotion, "promoted")
    # Last: until then it says what may be `previous`.
    if promotion.champion_version is not None:
        forget_unusable(url, promotion.name, promotion.champion_version)
    return replace(promotion, state="promoted")


def _find_usable_champion(url: str, promotion: Promotion) -> int | None:
    champion = promotion.champion_version
    return None if champion is None or find_unusable(url, promotion.name, champion) else champion


def complete_interrupted_move(url: str, tracker: Tracker, name: str) -> None:
    """Completes the move that was begun and not ended, if there is one. The caller holds the lock."""
    interrupted = decisions.find_interrupted(url, name)
    if interrupted:
        log.warning("Version %d was on its way to champion; the move is completed.", interrupted.version)
        move_aliases(url, tracker, interrupted)


def roll_back(url: str, settings: Settings, run_key: str) -> Promotion:
    """Makes the previous version the champion, and the champion the previous one if it can be used.

    A run that is tried again does it once.

    Raises:
        NoChampion: There is no previous champion.
        ModelInvalid: The previous one cannot be used; all stays as it is.
    """
    tracker = runs.open_tracker(settings)
    name = settings.registered_model
    with decisions.hold_lock(url, name):
        complete_interrupted_move(url, tracker, name)
        if done := decisions.find_rollback(url, name, run_key):
            return done
        previous = registry.find_version(tracker, name, PREVIOUS)
        if previous is None:
            raise NoChampion(
                f"{name} has no previous champion to roll back to; there is one after two promotions. If you need"
                f" a new champion, {START_TRAINING}."
            )
        try:
            predict_with(tracker, previous)
        except ModelInvalid as error:
            raise ModelInvalid(
                f"The previous champion, version {previous.version} of {name}, cannot be used, so nothing was"
                f" changed: {error} If you need a new champion, {START_TRAINING}."
            ) from error
        champion = registry.find_version(tracker, name, CHAMPION)
        replaced, kept = f"version {champion.version}" if champion else "no champion", champion
        if champion:
            try:
                predict_with(tracker, champion)
            except ModelInvalid as error:
                note_unusable(url, champion, str(error))
                replaced, kept = f"{replaced}, which cannot be used ({error})", None
        reason = f"Rolled back to version {previous.version}; it replaces {replaced}."
        rollback = describe("rollback", previous, champion, kept, "moving", reason, run_key)
        decisions.save(url, rollback, {})
        return move_aliases(url, tracker, rollback)
