"""What a person needs before the first deployment: a table of things that are looked up, and of things to confirm."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from include.configuration.env_file import read_env_file
from include.errors import SettingsError
from include.problem.declaration import SAMPLE
from include.settings import build_settings, gather_settings

PLACEHOLDER = re.compile(r"REPLACE|example\.org|example/|123456789012|sha256:0{64}|203\.0\.113\.")
Look = Callable[[Path], str | None]


@dataclass(frozen=True)
class Finding:
    """One thing that is needed.

    Attributes:
        what: The thing.
        problem: What is missing and what to do; none when nothing is.
        confirmed: Whether it was looked up, rather than left to a person.
    """

    what: str
    problem: str | None
    confirmed: bool = True


def review(root: Path, target: str) -> list[Finding]:
    """Everything that a deployment of the checkout `root` to ecs or helm needs."""
    looked_up = [Finding(what, look(root)) for what, look in (*LOOKS, *LOOKS_OF[target])]
    return looked_up + [Finding(what, None, confirmed=False) for what in (*ASKED, *ASKED_OF[target])]


def render(findings: list[Finding]) -> Table:
    """The findings as a list to tick off."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for finding in findings:
        mark = "[yellow]?[/]" if not finding.confirmed else "[red]✗[/]" if finding.problem else "[green]✓[/]"
        # Brackets belong to the text.
        table.add_row(mark, finding.what.replace("[", r"\["), (finding.problem or "").replace("[", r"\["))
    return table


def _programs(*names: str) -> Look:
    def look(_: Path) -> str | None:
        missing = [name for name in names if not shutil.which(name)]
        return f"not installed: {', '.join(missing)}" if missing else None

    return look


def _filled(*paths: str) -> Look:
    """Looks for placeholders, comments aside."""

    def look(root: Path) -> str | None:
        problems = []
        for path in paths:
            if not (root / path).exists():
                problems.append(f"{path} is missing: copy {path}.example" if path.endswith("tfvars") else f"no {path}")
                continue
            lines = (root / path).read_text(encoding="utf-8").splitlines()
            left = [str(number) for number, line in enumerate(lines, 1) if PLACEHOLDER.search(line.partition("# ")[0])]
            if left:
                problems.append(f"{path}: placeholders in lines {', '.join(left)}")
        return "; ".join(problems) or None

    return look


def _settings(root: Path) -> str | None:
    """Settings whose defaults are for a first look."""
    try:
        values = read_env_file(root / ".env", {}).values
        problem = build_settings(gather_settings((root / ".env",), {})).problem
    except SettingsError as error:
        return str(error)
    problems = []
    if problem.source == SAMPLE:
        problems.append("SOURCE is the synthetic sample")
    problems += [
        f"{key} is {values[key]}" for key in values if key.startswith("ALERT_TO_") and "@localhost" in values[key]
    ]
    return f"{'; '.join(problems)}: change .env, or set them in the environment you deploy to" if problems else None


def _committed(root: Path) -> str | None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    if not git("rev-parse", "HEAD"):
        return "not a Git repository"
    if git("status", "--porcelain"):
        return "there are uncommitted changes: commit or undo them"
    if not git("branch", "--remotes", "--contains", "HEAD"):
        return "no remote branch contains this commit: push it"
    return None


def _workflows(root: Path) -> str | None:
    wanted = {"test.yml", "image.yml", "release.yml", "deploy.yml"}
    there = {path.name for path in (root / ".github" / "workflows").glob("*.yml")}
    return f"missing in .github/workflows: {', '.join(sorted(wanted - there))}" if wanted - there else None


# What is wanted -> how it is looked up, for every deployment and for one of each kind.
LOOKS: tuple[tuple[str, Look], ...] = (
    ("the code is committed and pushed", _committed),
    ("settings are those of production", _settings),
    ("the delivery workflows are there", _workflows),
)
LOOKS_OF: dict[str, tuple[tuple[str, Look], ...]] = {
    "ecs": (
        ("terraform and the AWS command line are installed", _programs("terraform", "aws")),
        ("staging's variables are given", _filled("deploy/terraform/aws/staging.tfvars")),
        ("production's variables are given", _filled("deploy/terraform/aws/production.tfvars")),
    ),
    "helm": (
        ("helm and kubectl are installed", _programs("helm", "kubectl")),
        ("the chart's values are given", _filled("deploy/helm/values.yaml")),
        (
            "the manifests are given",
            _filled(*(f"deploy/helm/manifests/{name}.yaml" for name in ("settings", "mlflow", "serving"))),
        ),
    ),
}
ASKED = (
    "GitHub environments `staging` and `production` exist, production with reviewers, for tags v* only",
    "a mail server takes mail from Airflow (docs/alerts.md), and somebody reads what is sent",
    "a backup was restored once, into an empty stack (docs/production.md)",
)
ASKED_OF = {
    "ecs": (
        "a bucket for Terraform's state, with versions, that only those who deploy can read",
        "an ACM certificate for *.<domain>, and DNS records for airflow.<domain> and predictions.<domain>",
        "each GitHub environment has the variables AWS_REGION, AWS_ROLE, ECR_REPOSITORY, ECS_CLUSTER",
        "`python -m include.deployment secrets` leaves no secret empty",
    ),
    "helm": (
        "the cluster has an ingress controller, metrics-server and KEDA",
        "a Postgres 18 (which the tests use), a Valkey or Redis, two buckets, and roles for the service accounts",
        "the Secrets of docs/production.md are in the namespace",
    ),
}
