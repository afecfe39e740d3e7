"""README and docs say what is there: DAGs, commands, files and rooms, each in both directions."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
README, COMMANDS, ARCHITECTURE = PAGES["README.md"], PAGES["docs/commands.md"], PAGES["docs/architecture.md"]
LARGEST_README = 12_000
# Modules of include/ that lie beside the rooms, and belong to its ground.
GROUND = ("configuration", "errors", "request_bodies", "version", "collector", "keep_alive", "warehouse")
FOLDERS = (
    "dags",
    "plugins",
    "include",
    "tests",
    "benchmarks",
    "docs",
    "deploy",
    "scripts",
    r"\.github",
    r"\.devcontainer",
)


def section(page: str, title: str) -> str:
    """The text between a heading and the next one of its level."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"There is no section '{title}'"
    return found.group(1)


def first_column(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def links() -> list[tuple[str, str]]:
    """Each page with each address in it that is no other server's."""
    found = {(name, link) for name, text in PAGES.items() for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)}
    return sorted(found)


def paths() -> list[tuple[str, str]]:
    """Each page with each file and folder of the repository that it names as code."""
    pattern = rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`"
    return sorted({(name, path) for name, text in PAGES.items() for path in re.findall(pattern, text)})


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub and the site link to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def room_of(module: str) -> str | None:
    """The room of a module, None for the packages above."""
    top, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    return top if top != "include" else "ground" if name in GROUND else name or None


def imports_by_room() -> dict[str, set[str]]:
    """Room -> the other rooms that its modules import, at their top or in a function."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "include").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if (room := room_of(module.removesuffix("__init__"))) is None:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("include"):
                found[room] |= {str(room_of(f"{node.module}.{alias.name}")) for alias in node.names}
        found[room] -= {room}
    return found


def test_readme_is_short() -> None:
    assert len(README.encode()) <= LARGEST_README


def test_every_dag_is_in_the_table_and_every_row_is_a_dag() -> None:
    dags = sorted(path.stem for path in (ROOT / "dags").glob("[a-z]*.py"))
    assert sorted(first_column(section(README, "DAGs"))) == dags


def test_the_picture_of_the_dags_is_the_same_on_both_pages() -> None:
    picture = re.compile(r"```mermaid\n.*?```", re.DOTALL)
    in_readme, in_architecture = picture.search(README), picture.search(ARCHITECTURE)
    assert in_readme and in_architecture
    assert in_readme[0] == in_architecture[0]


def test_every_make_target_is_explained_and_every_explained_target_is_there() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", COMMANDS)) == targets
    for name, text in PAGES.items():
        code = " ".join([*re.findall(r"`[^`\n]*`", text), *re.findall(r"^make .*", text, re.MULTILINE)])
        assert set(re.findall(r"\bmake ([a-z][a-z-]*)\b", code)) <= targets, name


@pytest.mark.parametrize(("page", "link"), links())
def test_every_link_leads_to_a_file_and_heading_that_are_there(page: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


@pytest.mark.parametrize(("page", "path"), paths())
def test_every_named_file_is_there(page: str, path: str) -> None:
    assert (ROOT / path).exists() or path.startswith("benchmarks/results")


def test_every_name_in_the_tree_is_there() -> None:
    tree = re.search(r"```\n(dags/.*?)```", section(ARCHITECTURE, "Repository"), re.DOTALL)
    assert tree
    names = re.findall(r"(?<![\w/.])([a-z_]+(?:\.py|\.ipynb|/))(?=\s|:|,|$)", tree.group(1))
    tops = [top for top in ROOT.iterdir() if not top.name.startswith(".")]
    there = {path.name for top in tops for path in (top, *top.rglob("*"))}
    assert names
    assert {name.rstrip("/") for name in names} <= there


def test_every_room_is_in_the_table_and_imports_only_what_its_row_says() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", section(ARCHITECTURE, "Rooms"), re.MULTILINE)
    allowed = {room: set(re.findall(r"`(\w+)`", names)) for room, names in rows}
    folders = [path.name for path in (ROOT / "include").iterdir() if (path / "__init__.py").exists()]
    assert sorted(allowed) == sorted({"ground", *folders} - {*GROUND})
    assert {room: names - allowed[room] for room, names in imports_by_room().items() if names - allowed[room]} == {}


def test_every_room_imports_only_rooms_above_it_in_the_table() -> None:
    rooms = re.findall(r"^\| `(\w+)` \|", section(ARCHITECTURE, "Rooms"), re.MULTILINE)
    above = {room: set(rooms[:place]) for place, room in enumerate(rooms)}
    assert {room: names - above[room] for room, names in imports_by_room().items() if names - above[room]} == {}


def test_every_table_of_the_warehouse_is_explained_and_every_explained_table_is_there() -> None:
    files = [*(ROOT / "include" / "sql").glob("*.sql"), *(ROOT / "include").rglob("*.py")]
    statements = "".join(path.read_text(encoding="utf-8") for path in files)
    created = r"^ *CREATE (?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+\.\w+)"
    there = set(re.findall(created, statements, re.MULTILINE)) - {"public.migrations"}
    rows = re.findall(r"^\| (`[a-z]+\.\w+`[^|]*)\|", section(ARCHITECTURE, "Tables"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([\w.]+)`", row)} == there


def test_every_message_that_troubleshooting_quotes_in_part_is_in_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "include").rglob("*.py")))
    symptoms = "".join(re.findall(r"^\| ([^|]+) \|", PAGES["docs/troubleshooting.md"], re.MULTILINE))
    quoted = [message for message in re.findall(r"`([^`]+)`", symptoms) if "..." in message]
    assert quoted
    assert {part for message in quoted for part in message.split("...") if part not in code} == set()


def test_every_decision_is_in_the_list_and_has_all_of_its_parts() -> None:
    files = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("0*.md"))
    assert files
    assert re.findall(r"\]\((0[\w-]+\.md)\)", PAGES["docs/decisions/README.md"]) == files
    for name in files:
        text = PAGES[f"docs/decisions/{name}"]
        assert re.findall(r"^(?:## |(?=Status: ))(\w+)", text, re.MULTILINE) == [
            "Status", "Context", "Decision", "Consequences",
        ]  # fmt: skip


def avoided_words() -> list[str]:
    """What the table of words in CONTRIBUTING.md says not to write, as far as it is wrong in every sentence."""
    table = section((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "Words")
    phrases = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", table, re.MULTILINE)[1:]
    words = [word.strip() for phrase in phrases if "(" not in phrase for word in re.split("[,;]", phrase)]
    # One month in "a month" is no rate.
    return [word for word in words if not re.match(r"(a|the X) ", word)]


@pytest.mark.parametrize("word", avoided_words())
def test_pages_use_no_word_that_contributors_are_asked_to_avoid(word: str) -> None:
    pattern = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
    assert [name for name, text in PAGES.items() if pattern.search(text)] == []
