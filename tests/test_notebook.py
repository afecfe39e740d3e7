"""The notebook runs from top to bottom on a small published set, and is kept with what it showed."""

import re
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from include.embedded.commands.notebook import connect, notebook_command
from include.embedded.errors import StackError
from include.raw import ingest_month, validate_months
from include.sets import build, publish
from include.sets.plan import make_plan
from include.sets.preparation import load_references
from include.settings import read_settings
from include.tracking.runs import open_tracker
from tests.registered import LASSO, register
from tests.waiting import MOST_SECONDS

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "inference.ipynb"
MONTHS = ("2024-01", "2024-02")


@pytest.fixture
def published_url(warehouse_url: str) -> str:
    """Address of a warehouse with a published training set of synthetic trips."""
    settings = read_settings(source="sample", zones_source="sample", sample_rows=2_000, months=MONTHS, minimum_rows=500)
    load_references(warehouse_url, settings)
    for month in MONTHS:
        ingest_month(warehouse_url, settings, month)
    validate_months(warehouse_url, settings, MONTHS)
    version = build.transform(warehouse_url, settings, make_plan(settings), "test")
    build.build(warehouse_url, version)
    build.validate(warehouse_url, settings, version)
    assert publish.publish(warehouse_url, version, keep=1)
    return warehouse_url


@pytest.fixture
def champion(mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registered champion in an MLflow that the notebook's environment names."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    monkeypatch.setenv("REGISTERED_MODEL", "notebook")
    register(open_tracker(read_settings(mlflow_tracking_uri=mlflow_url)), "notebook", LASSO)
    return LASSO


def test_notebook_is_kept_with_charts_and_without_secrets_or_a_machine_s_paths() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run at once, from the top"
    outputs = [output for cell in cells for output in cell.outputs]
    assert [kind for output in outputs for kind in output.get("data", {})].count("image/png") == 2
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
    kept = NOTEBOOK.read_text(encoding="utf-8")
    assert len(kept) < 500_000
    shown = "\n".join(str(output) for output in outputs)
    assert re.findall(r"://[^/\s]*:[^/\s]*@|password|/(?:home|root|Users|tmp|usr|opt|var)/", shown) == []
    times = [cell.metadata for cell in cells if "execution" in cell.metadata]
    assert times == [], "when each cell ran is nobody's business, and differs each time"


def test_jupyterlab_listens_on_this_machine_alone() -> None:
    command = notebook_command()
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert str(NOTEBOOK) in command
    assert not [argument for argument in command if "token" in argument or "password" in argument], "it makes its own"


def test_notebook_without_a_stack_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WAREHOUSE_URL", raising=False)
    monkeypatch.setattr("include.embedded.commands.notebook.HOME", tmp_path)
    with pytest.raises(StackError, match="Start it with `make up`"):
        connect()


def test_address_with_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://taxi:hunter22@host/warehouse")
    assert connect().warehouse_url.endswith("hunter22@host/warehouse")
    assert "hunter22" not in repr(connect())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
def test_notebook_loads_trains_predicts_and_plots(
    published_url: str, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", published_url)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # A failing cell ends this with the cell's error.
    nbclient.NotebookClient(
        notebook, timeout=MOST_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert shown.count("image/png") == 2
    compared = outputs[-1]["data"]["text/plain"]
    assert "gbtree.squarederror" in compared and f"champion: {champion}" in compared
    assert any(output.get("name") == "stdout" and output.text.endswith(" minutes\n") for output in outputs)
