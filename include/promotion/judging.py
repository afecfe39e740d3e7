"""Judges registered versions against the champion and promotes the winners: each version once, one after the other."""

import logging
from collections.abc import Collection, Sequence
from typing import Any

from include.errors import ModelInvalid
from include.promotion import decisions
from include.promotion.aliases import complete_interrupted_move, move_aliases
from include.promotion.blocks import list_blocks
from include.promotion.card import list_sets, load_training_set_facts, render_card
from include.promotion.comparison import (
    Comparison,
    Limits,
    Verdict,
    compare,
    count_unusable,
    decide,
    decide_among_peers,
    decide_first,
    find_disagreement,
)
from include.promotion.decisions import Promotion, describe
from include.promotion.rivals import Rival, choose_rival, find_best_baseline
from include.promotion.usability import find_unusable, predict_with
from include.sets.baselines import list_baselines
from include.sets.holdout import HeldOut
from include.settings import Settings
from include.tracking import registry, runs
from include.tracking.registry import CHAMPION, RegisteredVersion
from include.tracking.runs import Tracker

log = logging.getLogger(__name__)
CARD = "model_card.md"


def find_unjudged(url: str, settings: Settings, named: Collection[int], run_key: str = "") -> list[int]:
    """The registered versions to judge, ascending: those newer than any judged one, and of the others those named.

    Args:
        run_key: The run that judges. Winners that an attempt of it has judged before it was lost are among them.
    """
    tracker = runs.open_tracker(settings)
    judged, sets = decisions.list_judged(url, settings.registered_model), list_sets(url)
    newest, waiting = max(judged, default=0), decisions.list_waiting(url, settings.registered_model, run_key)
    named = {*named, *waiting}
    return [
        found.version
        for found in registry.list_versions(tracker, settings.registered_model)
        # What was registered by other means has nothing to be compared by.
        if found.training_set in sets
        and "run_id" in found.tags
        and found.version not in judged - waiting
        and (found.version > newest or found.version in named)
    ]


def judge(url: str, settings: Settings, version: int, run_key: str) -> Promotion:
    """Scores a version and the champion on the same newest held-out rows, and writes down what follows.

    Where the champion cannot be used, the previous one stands in for it, or else the best baseline. A version
    that was judged before is not judged again.
    """
    tracker = runs.open_tracker(settings)
    with decisions.hold_lock(url, settings.registered_model):
        complete_interrupted_move(url, tracker, settings.registered_model)
        found = decisions.find_judgement(url, settings.registered_model, version)
        return found or _judge(url, settings, tracker, version, run_key)


def promote(url: str, settings: Settings, versions: Sequence[int], run_key: str) -> Promotion | None:
    """Makes winners the champion, in this order; one whose champion has changed since is judged anew first.

    Returns:
        The promotion, among these versions, of the one that is champion now; None if none of them is.
    """
    tracker = runs.open_tracker(settings)
    name = settings.registered_model
    promoted: dict[int, Promotion] = {}
    with decisions.hold_lock(url, name):
        complete_interrupted_move(url, tracker, name)
        for version in versions:
            promotion = decisions.find_judgement(url, name, version)
            champion = registry.find_version(tracker, name, CHAMPION)
            number = champion.version if champion else None
            # A champion that could not be used then may have been mended while a person decided.
            is_settled = not promotion or promotion.champion_version == promotion.rival_version == number
            if promotion and promotion.state == "waiting" and not is_settled:
                promotion = _judge(url, settings, tracker, version, run_key)
            if promotion and promotion.state == "waiting":
                promotion = move_aliases(url, tracker, promotion)
            if promotion and promotion.state == "promoted":
                promoted[version] = promotion
        champion = registry.find_version(tracker, name, CHAMPION)
    return promoted.get(champion.version) if champion else None


def decline(url: str, settings: Settings, versions: Sequence[int]) -> None:
    """Notes that a person, or the deadline, kept winners from being promoted."""
    tracker = runs.open_tracker(settings)
    name = settings.registered_model
    with decisions.hold_lock(url, name):
        for version in versions:
            promotion = decisions.find_judgement(url, name, version)
            if promotion and promotion.state == "waiting":
                registry.tag_version(tracker, name, version, {"decision": "declined"})
                decisions.set_state(url, promotion, "declined")


def describe_decision(decision: Promotion) -> str:
    """A decision in one sentence."""
    outcome = {"waiting": "wins", "promoted": "wins", "declined": "won, but was declined"}
    return f"Version {decision.version} ({decision.model}) {outcome.get(decision.state, 'loses')}: {decision.reason}."


def describe_champion(url: str, settings: Settings) -> str | None:
    """What is wrong with the champion and what to do, as found when a version was judged last; None if nothing is."""
    champion = registry.find_version(runs.open_tracker(settings), settings.registered_model, CHAMPION)
    return find_unusable(url, champion.name, champion.version) if champion else None


def describe_unbeaten(url: str, settings: Settings) -> str | None:
    """That no model has beaten the best baseline, in one sentence; None where there is a champion or one may follow."""
    champion = registry.find_version(runs.open_tracker(settings), settings.registered_model, CHAMPION)
    return None if champion else decisions.describe_unbeaten(url, settings.problem, settings.registered_model)


def _judge(url: str, settings: Settings, tracker: Tracker, version: int, run_key: str) -> Promotion:
    champion = registry.find_version(tracker, settings.registered_model, CHAMPION)
    challenger = registry.get_version(tracker, settings.registered_model, version)
    rival = choose_rival(url, tracker, challenger, champion, decisions.list_peers(url, challenger))
    held_out = rival.held_out
    baseline = find_best_baseline(held_out) if rival.version is None else None
    look = 1 + decisions.count_judged_on(url, challenger.name, version, held_out.set_version, held_out.split)
    comparison, verdict = _compare(settings, tracker, challenger, rival, baseline, look)
    state = "waiting" if verdict.promote else "rejected"
    promotion = describe("judgement", challenger, champion, rival.version, state, verdict.reason, run_key, baseline)
    facts = load_training_set_facts(url, promotion.set_version)
    baselines = list_baselines(url, held_out.set_version)
    metrics = runs.get_metrics(tracker, challenger.tags["run_id"])
    card = render_card(challenger, promotion, facts, held_out, comparison, baselines, metrics)
    runs.log_text(tracker, challenger.tags["run_id"], card, CARD)
    registry.tag_version(tracker, promotion.name, version, _tags(promotion, held_out, comparison))
    # Last: once it is there, the version counts as judged.
    decisions.save(url, promotion, _figures(challenger, held_out, comparison))
    log.info("Version %d (%s): %s. %s", version, promotion.model, state, verdict.reason)
    return promotion


def _compare(
    settings: Settings,
    tracker: Tracker,
    challenger: RegisteredVersion,
    rival: Rival,
    baseline: str | None,
    look: int,
) -> tuple[Comparison | None, Verdict]:
    held_out, limits = rival.held_out, Limits.from_settings(settings)
    rows, actual, problem = held_out.rows, held_out.actual, held_out.problem
    if not len(actual):
        return None, Verdict(
            False, "There are no held-out rows that neither model was trained on: train again on newer rows"
        )
    if unusable := count_unusable(actual):
        return None, Verdict(False, f"The target of {unusable} of {len(actual)} held-out rows is not a finite number")
    try:
        predicted = predict_with(tracker, challenger, rows, twin=True)
        served = predict_with(tracker, challenger, rows) if challenger.has_twin else predicted
    except ModelInvalid as error:
        return None, Verdict(False, f"The model cannot be used: {str(error).rstrip('.')}")
    against = rival.predicted if baseline is None else held_out.baselines[baseline]
    if against is None:
        return None, Verdict(False, f"No baseline of training set {held_out.set_version} is a finite number")
    if doubt := find_disagreement(problem.objective, actual, predicted, served):
        return None, Verdict(False, doubt)
    comparison = compare(
        problem,
        rows,
        actual,
        predicted,
        against,
        blocks=list_blocks(problem, rows, held_out.places),
        minimum_rows=limits.slice_minimum_rows,
        look=look,
    )
    if baseline is not None:
        verdict = decide_first(comparison, baseline)
    else:
        verdict = decide(comparison, limits, "the champion" if rival.is_champion else "the previous champion")
    if rival.peer is None:
        return comparison, verdict
    return comparison, decide_among_peers(verdict, comparison, problem.objective.measure_error(actual, rival.peer))


def _figures(challenger: RegisteredVersion, held_out: HeldOut, comparison: Comparison | None) -> dict[str, Any]:
    figures = {
        "trained_by": challenger.tags.get("run_key"),
        "judged_on": held_out.set_version,
        "split": held_out.split,
        "rows": len(held_out.actual),
    }
    if comparison is None:
        return figures
    return figures | {
        "challenger_error": comparison.challenger_error,
        "champion_error": comparison.champion_error,
        "look": comparison.look,
        "interval_low": comparison.interval[0],
        "interval_high": comparison.interval[1],
        "slices": [part.__dict__ for part in comparison.slices],
    }


def _tags(promotion: Promotion, held_out: HeldOut, comparison: Comparison | None) -> dict[str, str]:
    tags = {
        "decision": promotion.state,
        "decision_reason": promotion.reason[:1000],
        "decision_run": promotion.run_key,
        "judged_against": f"version {promotion.rival_version}" if promotion.rival_version else promotion.baseline or "",
        "judged_on": f"{held_out.split} split of training set {held_out.set_version}",
    }
    if comparison is None:
        return tags
    key = comparison.objective.key
    return tags | {
        f"judged_{key}": f"{comparison.challenger_error:.6g}",
        f"judged_rival_{key}": f"{comparison.champion_error:.6g}",
        "judged_interval": f"{comparison.interval[0]:+.6g} to {comparison.interval[1]:+.6g}",
    }
