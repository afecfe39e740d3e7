"""Whether a registered version can be used, and which champion cannot: kept until it is mended or replaced."""

import logging

from include.errors import ModelInvalid
from include.problem.data import Columns, Values, make_any_rows
from include.promotion.comparison import count_unusable
from include.settings import Settings
from include.tracking import registry, runs
from include.tracking.registry import CHAMPION, WAYS_OUT, RegisteredVersion
from include.tracking.runs import Tracker
from include.warehouse import connect

log = logging.getLogger(__name__)


def predict_with(
    tracker: Tracker, version: RegisteredVersion, rows: Columns | None = None, *, twin: bool = False
) -> Values:
    """Loads a version from the registry; returns its predictions of n rows, (n,).

    Args:
        rows: None: any rows, to see whether it predicts at all.
        twin: Whether its twin predicts, if it has one.

    Raises:
        ModelInvalid: It cannot be loaded, does not predict, or does not give a finite number for each row.
        TrackingUnavailable: MLflow is away.
    """
    load = registry.load_twin if twin and version.has_twin else registry.load_model
    model = load(tracker, version)
    rows = make_any_rows(model.problem, 2) if rows is None else rows
    predicted = model.predict_guarded(rows)
    if unusable := count_unusable(predicted):
        raise ModelInvalid(f"{unusable} of its {len(predicted)} predictions are not finite numbers.")
    return predicted


def check_champion(url: str, settings: Settings) -> str | None:
    """Loads the champion and predicts with it.

    Returns:
        What is wrong with it and what to do; None if nothing is, or there is no champion.
    """
    tracker = runs.open_tracker(settings)
    champion = registry.find_version(tracker, settings.registered_model, CHAMPION)
    if champion is None:
        return None
    try:
        predict_with(tracker, champion)
    except ModelInvalid as error:
        return note_unusable(url, champion, str(error))
    forget_unusable(url, champion.name, champion.version)
    return None


def describe_unusable(version: int, problem: str) -> str:
    """What is wrong with a champion, and what to do."""
    return f"The champion, version {version}, cannot be used: {problem} {WAYS_OUT}"


def note_unusable(url: str, champion: RegisteredVersion, problem: str) -> str:
    """Keeps that a champion cannot be used; returns `describe_unusable` of it."""
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO monitoring.unusable_champions (name, version, problem) VALUES (%s, %s, %s)"
            " ON CONFLICT (name, version) DO UPDATE SET problem = excluded.problem",
            [champion.name, champion.version, problem],
        )
    text = describe_unusable(champion.version, problem)
    log.warning(text)
    return text


def forget_unusable(url: str, name: str, version: int) -> None:
    """Notes that a version can be used, or is champion no longer."""
    with connect(url) as connection:
        connection.execute(
            "DELETE FROM monitoring.unusable_champions WHERE name = %s AND version = %s", [name, version]
        )


def find_unusable(url: str, name: str, version: int) -> str | None:
    """`describe_unusable` of a champion that was found to be so when it was last looked at."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT problem FROM monitoring.unusable_champions WHERE name = %s AND version = %s", [name, version]
        ).fetchone()
    return describe_unusable(version, row[0]) if row else None


def is_unanswered(url: str, champion: RegisteredVersion) -> bool:
    """Whether a champion was found to be unusable and no retraining has followed yet."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT 1 FROM monitoring.unusable_champions WHERE name = %s AND version = %s AND answered_by IS NULL",
            [champion.name, champion.version],
        ).fetchone()
    return row is not None


def answer_unusable(url: str, name: str, run_key: str) -> None:
    """Notes that a retraining has followed."""
    with connect(url) as connection:
        connection.execute(
            "UPDATE monitoring.unusable_champions SET answered_by = %s WHERE name = %s AND answered_by IS NULL",
            [run_key, name],
        )
