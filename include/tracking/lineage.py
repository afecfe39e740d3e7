"""Where a model comes from: what is written on every run and model version so that it can be traced and rebuilt."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from include.sets.examples import TrainingSet
from include.settings import ROOT
from include.version import VERSION


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
    """The code's Git commit, with `-dirty` behind it where files differ: from GIT_COMMIT, else from the repository."""
    if os.environ.get("GIT_COMMIT"):
        return os.environ["GIT_COMMIT"]
    try:
        # By its hash, tags or none: a version's tags name the release beside it.
        command = ["git", "-C", str(ROOT), "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
