"""Where a model comes from: what is written on every run and model version so that it can be traced and rebuilt."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from include.errors import SettingsError
from include.sets.examples import TrainingSet
from include.settings import ROOT, Settings
from include.version import VERSION

# What makes a model. What problem files say is kept with each training set, as the values of settings are.
CODE = ("dags", "include", "plugins", "requirements.txt", ":(exclude)include/problems/*/problem.toml")
UNCOMMITTED = "-dirty"


@dataclass(frozen=True)
class Lineage:
    """The training set, the code and the seed behind a model.

    Attributes:
        run_key: Names the pipeline run: DAG id and run id.
        commit: Git commit of the code, `unknown` outside a repository.
    """

    run_key: str
    training_set: TrainingSet
    feature_set: str
    commit: str
    random_state: int

    @property
    def tags(self) -> Mapping[str, str]:
        """As MLflow tags: text values only."""
        dag_id, _, run_id = self.run_key.partition("/")
        return {
            "run_key": self.run_key,
            "dag_id": dag_id,
            "dag_run_id": run_id,
            "training_set_version": str(self.training_set.version),
            "training_set_fingerprint": self.training_set.fingerprint,
            "months": ",".join(self.training_set.months),
            "feature_set": self.feature_set,
            "mltrain_version": VERSION,
            "git_commit": self.commit,
            "random_state": str(self.random_state),
        }


def find_commit() -> str:
    """The Git commit of the code, by GIT_COMMIT or the repository; with `UNCOMMITTED` behind it where code differs."""
    if os.environ.get("GIT_COMMIT"):
        return os.environ["GIT_COMMIT"]
    try:
        commit = _ask_git("rev-parse", "HEAD")
        return commit + UNCOMMITTED if _ask_git("status", "--porcelain", "--", *CODE) else commit
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _ask_git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def check_commit(settings: Settings) -> None:
    """Refuses to train with code that no commit holds, unless the settings allow it.

    Raises:
        SettingsError: The code differs from its commit.
    """
    commit = find_commit()
    if commit.endswith(UNCOMMITTED) and not settings.register_uncommitted:
        raise SettingsError(
            f"The code differs from its Git commit, {commit.removesuffix(UNCOMMITTED)[:12]}: a model that it makes"
            " could not be built again. Commit the change (`git status` lists it), or set REGISTER_UNCOMMITTED=true."
        )
