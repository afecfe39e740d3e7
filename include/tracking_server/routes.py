"""Which of MLflow's routes are open, and to whom: whatever is not named here is closed, new routes of a release too.

Closed are, among others: webhooks and gateways (the server would call any address), traces and prompts (their tags name
locations), the assistant, scorers, jobs and demos (they run code), and uploads beside the server by signed addresses.
"""

import re

READER, WRITER = "reader", "writer"

# `*` is one part of a path, `**` is all that follows. Below `api/2.0/mlflow`, and the same below `ajax-api`, where the
# pages ask.
_READ = {
    "GET": [
        "experiments/get", "experiments/get-by-name", "experiments/search",
        "runs/get", "metrics/get-history", "metrics/get-history-bulk", "metrics/get-history-bulk-interval",
        "artifacts/list",
        "logged-models/*", "logged-models/*/artifacts/directories", "logged-models/*/artifacts/files",
        "registered-models/get", "registered-models/search", "registered-models/alias",
        "registered-models/get-latest-versions",
        "model-versions/get", "model-versions/search", "model-versions/get-download-uri",
    ],
    # Questions that are too long for an address.
    "POST": [
        "experiments/search", "experiments/search-datasets", "runs/search", "logged-models/search",
        "registered-models/get-latest-versions",
    ],
}  # fmt: skip
_WRITE = {
    "POST": [
        "experiments/create", "experiments/update", "experiments/delete", "experiments/restore",
        "experiments/set-experiment-tag", "experiments/delete-experiment-tag",
        "runs/create", "runs/update", "runs/delete", "runs/restore", "runs/set-tag", "runs/delete-tag",
        "runs/log-metric", "runs/log-parameter", "runs/log-batch", "runs/log-inputs", "runs/outputs", "runs/log-model",
        "logged-models", "logged-models/*/params", "upload-artifact",
        "registered-models/create", "registered-models/rename", "registered-models/set-tag", "registered-models/alias",
        "model-versions/create", "model-versions/set-tag", "model-versions/transition-stage",
    ],
    "PATCH": ["logged-models/*", "logged-models/*/tags", "registered-models/update", "model-versions/update"],
    "DELETE": [
        "logged-models/*", "logged-models/*/tags/*",
        "registered-models/delete", "registered-models/delete-tag", "registered-models/alias",
        "model-versions/delete", "model-versions/delete-tag",
    ],
}  # fmt: skip
# Elsewhere.
_READ_ELSEWHERE = {
    "GET": [
        "/", "/health", "/version", "/static-files/**", "/get-artifact", "/model-versions/get-artifact",
        "/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info",
        "/api/2.0/mlflow-artifacts/artifacts", "/api/2.0/mlflow-artifacts/artifacts/**",
        "/ajax-api/2.0/mlflow-artifacts/artifacts", "/ajax-api/2.0/mlflow-artifacts/artifacts/**",
    ],
    "POST": ["/graphql"],
}  # fmt: skip
_ARTIFACTS = ["/api/2.0/mlflow-artifacts/artifacts/**", "/ajax-api/2.0/mlflow-artifacts/artifacts/**"]
_WRITE_ELSEWHERE = {"PUT": _ARTIFACTS, "DELETE": _ARTIFACTS}


def _compile(below: dict[str, list[str]], elsewhere: dict[str, list[str]]) -> dict[str, re.Pattern[str]]:
    def translate(pattern: str) -> str:
        return re.escape(pattern).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")

    compiled = {}
    for method in below.keys() | elsewhere.keys():
        patterns = [r"/(?:ajax-)?api/2\.0/mlflow/" + translate(pattern) for pattern in below.get(method, [])]
        patterns += [translate(pattern) for pattern in elsewhere.get(method, [])]
        compiled[method] = re.compile("|".join(patterns))
    return compiled


_OPEN = {READER: _compile(_READ, _READ_ELSEWHERE), WRITER: _compile(_WRITE, _WRITE_ELSEWHERE)}


def find_role(method: str, path: str) -> str | None:
    """The least role that may use a route: `READER` (and so the writer too), `WRITER`, or none."""
    method = "GET" if method == "HEAD" else method
    for role, patterns in _OPEN.items():
        if method in patterns and patterns[method].fullmatch(path):
            return role
    return None
