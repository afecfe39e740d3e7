import subprocess
import sys
from pathlib import Path

from include.settings import ROOT
from include.tracking.model_code import MODEL_PACKAGE, find_modules, stage_code
from tests.bikes import BIKES
from tests.splits import PROBLEM


def test_code_of_a_problem_travels_only_with_its_own_models() -> None:
    with_code, without = find_modules(PROBLEM), find_modules(BIKES)
    assert with_code - without == {"problems.taxi.features"}
    assert without >= {"models.artifact", "models.encoder", "problem.declaration", "problem.features", "errors"}


def test_nothing_travels_that_a_model_does_not_load() -> None:
    rooms = {name.partition(".")[0] for name in find_modules(PROBLEM)}
    assert rooms == {"configuration", "errors", "models", "problem", "problems"}


def test_staged_code_is_imported_without_the_project(tmp_path: Path) -> None:
    stage_code(PROBLEM, tmp_path)
    names = ", ".join(f"{MODEL_PACKAGE}.{name}" for name in sorted(find_modules(PROBLEM)))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {names}; print(any(n.split('.')[0] == 'include' for n in sys.modules))"],
        cwd=tmp_path,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
    assert not (ROOT / MODEL_PACKAGE).exists()
