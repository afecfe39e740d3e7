"""What the main job prints at its end: models and their errors, the decisions on them, and what to do next."""

from collections.abc import Sequence
from datetime import UTC

from rich import box
from rich.table import Table

from include.embedded.commands.results import Reign, TrainedModel, find_champion, find_reign
from include.embedded.stack import Stack
from include.embedded.usage import name_command
from include.problem.declaration import SAMPLE
from include.problem.objectives.objective import Objective
from include.problem.words import name_one, name_unit, show_amount
from include.promotion.decisions import describe_unbeaten, find_judgement
from include.sets.baselines import Baseline
from include.settings import Settings

DASHBOARDS = "/plugin/mltrain_overview"
PLAYGROUND = "/plugin/mltrain_playground"


def model_table(objective: Objective, models: list[TrainedModel], baselines: Sequence[Baseline]) -> Table:
    """Models and their errors on the validation split, least first; then the baselines.

    Args:
        objective: What an error is.
        models: The models.
        baselines: Those of the models' training set.
    """
    measures = objective.of_baselines
    # The longest name of a model and a champion's aliases fit into 80 characters, with a word of a measure a line.
    table = Table(
        title=name_unit("Models by validation error", objective.unit), box=box.SIMPLE_HEAD, pad_edge=False, padding=0
    )
    for header in ("model", "family", *(measure.name.replace(" ", "\n") for measure in measures), "version"):
        table.add_column(header, no_wrap=True)
    table.add_column("alias")
    for model in models:
        of_model = (show_amount(model.metrics.get(f"validation_{measure.key}")) for measure in measures)
        table.add_row(model.model, model.family, *of_model, model.version or "", ", ".join(model.aliases))
    for baseline in baselines:
        if errors := baseline.errors.get("validation"):
            of_baseline = (show_amount(errors[measure.key]) for measure in measures)
            table.add_row(f"baseline: {baseline.name}", "", *of_baseline, "", "")
    return table


def tell_decisions(stack: Stack, settings: Settings, models: list[TrainedModel]) -> list[str]:
    """Why each registered model became champion or not, and since when there has been this champion, or why none.

    Raises:
        StackError: MLflow does not answer or refuses.
    """
    # It brings numpy, which the other commands can do without.
    from include.promotion.judging import describe_decision

    url, name = stack.warehouse_url, settings.registered_model
    lines = ["The best model of each family is registered as a version; each version is judged on held-out rows:"]
    for version, model in sorted((int(model.version), model) for model in models if model.version):
        judgement = find_judgement(url, name, version)
        unjudged = f"Version {version} ({model.model}) has not been judged yet: the DAG model_promotion does that."
        lines.append(describe_decision(judgement) if judgement else unjudged)
    champion = find_champion(stack, settings)
    if champion:
        return [*lines, tell_reign(find_reign(url, name, champion))]
    unbeaten = describe_unbeaten(url, settings.problem, name)
    return [*lines, *([unbeaten] if unbeaten else []), "There is no champion yet."]


def tell_reign(reign: Reign) -> str:
    """One sentence on the champion."""
    since = f" since {reign.since.astimezone(UTC):%Y-%m-%d %H:%M %Z}" if reign.since else ", not by a promotion"
    how = f", rolled back by hand from version {reign.after}" if reign.after else ""
    return f"The champion is version {reign.version}{since}{how}."


def next_steps(stack: Stack, settings: Settings) -> Table:
    """What a newcomer can do next."""
    table = Table(title="Next steps", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("Explore data and models", f"{stack.airflow_address}{DASHBOARDS}")
    table.add_row(f"Predict {name_one(settings.problem)}", f"{stack.airflow_address}{PLAYGROUND}")
    table.add_row("Work with them in Python", name_command("notebook", stack.home))
    if settings.problem.source == SAMPLE and settings.problem.sources:
        real = name_command(f"run SOURCE={next(iter(settings.problem.sources))} MONTHS=2024-01,2024-02", stack.home)
        table.add_row(f"Train on real {settings.problem.row[1]}", real)
    return table
