"""The notebook runs from top to bottom on a small published set."""

from pathlib import Path

import nbclient
import nbformat
import pytest

from include.taxi import publication, training_set
from include.taxi.raw import ingest_month, validate_months
from include.taxi.settings import read_settings
from include.taxi.training_plan import make_plan
from include.taxi.zones import load_zones
from tests.waiting import MOST_SECONDS

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "inference.ipynb"
MONTHS = ("2024-01", "2024-02")


@pytest.fixture
def published_url(warehouse_url: str) -> str:
    """Address of a warehouse with a published training set of synthetic trips."""
    settings = read_settings(source="sample", zones_source="sample", sample_rows=2_000, months=MONTHS, minimum_rows=500)
    load_zones(warehouse_url, settings)
    for month in MONTHS:
        ingest_month(warehouse_url, settings, month)
    validate_months(warehouse_url, settings, MONTHS)
    version = training_set.transform(warehouse_url, settings, make_plan(settings), "test")
    training_set.build(warehouse_url, version)
    training_set.validate(warehouse_url, settings, version)
    assert publication.publish(warehouse_url, version, keep=1)
    return warehouse_url


def test_notebook_is_kept_without_outputs() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert not [cell.id for cell in cells if cell.outputs or cell.execution_count]


def test_notebook_loads_trains_predicts_and_plots(published_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", published_url)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # A failing cell ends this with the cell's error.
    nbclient.NotebookClient(
        notebook, timeout=MOST_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert shown.count("image/png") == 2
    assert any(output.get("name") == "stdout" and output.text.endswith(" minutes\n") for output in outputs)
