"""`python -m tests.settings_table` writes README's tables of settings anew, from the comments of `.env`."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FIRST = "**Where trips and zones come from**"
HEAD = "| key | default | what |\n|---|---|---|"


def render(text: str) -> str:
    """The tables: a section of the file each, a key a row, with the comment above the key."""
    parts: list[str] = []
    comment: list[str] = []
    for line in text[text.index("# ---") :].splitlines():
        if title := re.fullmatch(r"# -+ (.*?) -*", line):
            parts.append(f"\n**{title[1]}**\n\n{HEAD}")
        elif line.startswith("#"):
            comment.append(line.removeprefix("# "))
        elif setting := re.fullmatch(r"([A-Z0-9_]+)=(.*)", line):
            assert comment, f"{setting[1]} has no comment of its own in .env"
            default = f" `{setting[2]}` " if setting[2] else " "
            parts.append(f"| `{setting[1]}` |{default}| {' '.join(comment)} |")
            comment = []
    return "\n".join(parts).strip()


def find_tables(readme: str) -> str:
    """The tables as they are in the README."""
    section = readme[readme.index(FIRST) :].split("\n## ")[0]
    *_, last = re.finditer(r"^\| `[A-Z0-9_]+` \|.*$", section, re.MULTILINE)
    return section[: last.end()]


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    tables = render((ROOT / ".env").read_text(encoding="utf-8"))
    README.write_text(text.replace(find_tables(text), tables), encoding="utf-8")
