"""The OpenAPI document as one page that needs no other server's scripts."""

import json
import shlex
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --back: #fff; --link: #0b57d0 }
@media (prefers-color-scheme: dark) { :root { --text: #e6e6e6; --back: #151515; --link: #8ab4f8 } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: var(--text); background: var(--back) }
a { color: var(--link) }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { white-space: pre-wrap; border: 1px solid #8886; padding: .6rem }
summary { cursor: pointer; padding: .35rem 0 } summary b { display: inline-block; width: 4rem }
table { border-collapse: collapse } td { padding: .1rem .8rem .1rem 0; vertical-align: top }
"""


def render_docs(document: dict[str, Any], address: str) -> str:
    """A page with every route of an OpenAPI document: what it takes, an example, and what it answers.

    Args:
        address: Where the caller has reached the service, without a slash at its end.
    """
    info = document["info"]
    routes = [
        _render_route(path, method, operation, address)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = document.get("components", {}).get("schemas", {})
    title = escape(info["title"])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>"
        f"<main><h1>{title}</h1><p>{escape(info.get('description', ''))}</p>"
        "<p><code>$KEY</code> in the examples is the API key: <code>make status</code> prints it, and a team's server "
        "has it in <code>secrets/serving_api_key</code>. "
        "The full document: <a href=openapi.json>openapi.json</a></p>"
        f"<h2>Routes</h2>{''.join(routes)}"
        f"<h2>Schemas</h2>{''.join(_render_json(name, schema) for name, schema in schemas.items())}</main>"
    )


def _render_route(path: str, method: str, operation: dict[str, Any], address: str) -> str:
    answers = "".join(
        f"<tr><td><code>{escape(status)}</code><td>{escape(answer.get('description', ''))}"
        for status, answer in sorted(operation["responses"].items())
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = ""
    if body:
        # A value can hold an apostrophe, which would end the argument where the line is copied into a shell.
        data = escape(shlex.quote(json.dumps(body.get("example", {}))))
        example = (
            f'<pre>curl -X POST {escape(address + path)} -H "X-API-Key: $KEY" '
            f"-H 'Content-Type: application/json' -d {data}</pre>{_render_json('Body', body['schema'])}"
        )
    return (
        f"<details open><summary><b>{method.upper()}</b> <code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary>{example}<table>{answers}</table></details>"
    )


def _render_json(name: str, value: Any) -> str:
    return f"<details><summary>{escape(name)}</summary><pre>{escape(json.dumps(value, indent=2))}</pre></details>"
