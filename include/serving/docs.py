"""The OpenAPI document as one page that needs no other server's scripts."""

import json
from html import escape
from typing import Any

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { white-space: pre-wrap; border: 1px solid #8886; padding: .6rem }
summary { cursor: pointer; padding: .35rem 0 } summary b { display: inline-block; width: 4rem }
table { border-collapse: collapse } td { padding: .1rem .8rem .1rem 0; vertical-align: top }
"""


def render_docs(document: dict[str, Any]) -> str:
    """A page with every route of an OpenAPI document: what it takes, an example, and what it answers."""
    info = document["info"]
    routes = [
        _render_route(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = document.get("components", {}).get("schemas", {})
    title = escape(info["title"])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
        f"<h1>{title}</h1><p>{escape(info.get('description', ''))}</p>"
        "<p>The whole document: <a href=openapi.json>openapi.json</a></p>"
        f"{''.join(routes)}<h2>Schemas</h2>{''.join(_render_json(name, schema) for name, schema in schemas.items())}"
    )


def _render_route(path: str, method: str, operation: dict[str, Any]) -> str:
    answers = "".join(
        f"<tr><td><code>{escape(status)}</code><td>{escape(answer.get('description', ''))}"
        for status, answer in sorted(operation["responses"].items())
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = ""
    if body:
        data = escape(json.dumps(body.get("example", {})))
        example = (
            f'<pre>curl -X POST "$SERVICE{escape(path)}" -H "X-API-Key: $KEY" '
            f"-H 'Content-Type: application/json' -d '{data}'</pre>{_render_json('Body', body['schema'])}"
        )
    return (
        f"<details open><summary><b>{method.upper()}</b> <code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary>{example}<table>{answers}</table></details>"
    )


def _render_json(name: str, value: Any) -> str:
    return f"<details><summary>{escape(name)}</summary><pre>{escape(json.dumps(value, indent=2))}</pre></details>"
