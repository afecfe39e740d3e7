"""The pages; the modules fill the table of charts, each with those of a page or of a part of it."""

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        filters: The filters at its top: days, dag, run, model, version, month.
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
    """Fills the table of charts; the modules' order by name is the cards' order on a page."""
    for module in sorted(module.name for module in iter_modules(__path__, f"{__name__}.")):
        import_module(module)
