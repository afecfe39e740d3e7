"""The pages of charts: each module fills the table with those of one page."""

from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        filters: Which filters stand at its top: days, dag, run, model, version, month.
    """

    name: str
    title: str
    filters: tuple[str, ...] = ()


PAGES = {
    page.name: page
    for page in (
        Page("overview", "Overview", ("days", "model")),
        Page("pipeline", "Pipelines", ("days", "dag")),
        Page("training_run", "Training runs", ("run", "model")),
        Page("explainability", "Explainability", ("version",)),
        Page("data", "Data", ("month",)),
        Page("playground", "Playground"),
    )
}


def load_pages() -> None:
    """Fills the table of charts."""
    for name in PAGES:
        import_module(f"include.dashboards.pages.{name}")
