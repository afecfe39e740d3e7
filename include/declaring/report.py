"""What `make problem` shows: a row per column, what was decided, what is left out, and what a person should check."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from include.configuration.values import ALL
from include.declaring.classes import Classes
from include.declaring.draft import Described, Draft
from include.declaring.sample import Sample
from include.declaring.target import join_words
from include.problem.declaration import Problem
from include.problem.features import DEFAULTS
from include.problem.inference.columns import Facts
from include.problem.kinds import KINDS, KindName

EXAMPLES = 3
LONGEST = 24
SPLITS = {
    "time": "by {time}: the newest {test:.0%} of the rows test, the {validation:.0%} before them validate",
    "group": "by {group}: no two splits have rows of one; {test:.0%} test, {validation:.0%} validate",
    "hash": "by a hash of each row's contents: {test:.0%} test, {validation:.0%} validate",
}

# Of one month, of two, and of three or more: what a set has where no days are set.
SPLITS_OF_MONTHS = {
    1: "the days from the 26th on test, those from the 21st on before them validate",
    2: "the second half of the newest month tests, its first half validates",
    3: "the newest month tests, the one before it validates",
}


def announce(console: Console, sample: Sample) -> None:
    """Prints what was read: to look at many columns takes a while."""
    rows = f"{sample.rows:,} rows" if sample.is_whole else f"the first {sample.rows:,} rows (there are more)"
    console.print(f"{escape(sample.location)}: {rows}, {len(sample.columns):,} columns", soft_wrap=True)


def show(console: Console, problem: Problem, draft: Draft, given: Mapping[str, str]) -> None:
    """Prints all that was found out, and what was given."""
    console.print(_tabulate(problem, draft))
    shown = ", ".join(f"{key.upper()}={value}" for key, value in given.items() if key != "source")
    console.print(f"[bold]Given[/]: {escape(shown)}", soft_wrap=True)
    for title, text in _decide(problem, draft).items():
        console.print(f"[bold]{title}[/]: {escape(text)}", soft_wrap=True)
    _list(console, "Left out", _list_left_out(problem, draft))
    _list(console, "Please check", list(draft.checks))


def _tabulate(problem: Problem, draft: Draft) -> Table:
    table = Table("name", "in the source", "kind", "missing", "examples", "why", "suspicion")

    def add(name: str, kind: str, facts: Facts, why: str, suspicion: str = "") -> None:
        source = join_words(facts.name) if facts.name != name else ""
        missing = f"{facts.missing / facts.rows:.1%}" if facts.missing else ""
        table.add_row(*map(escape, (name, source, kind, missing, _exemplify(facts), why, suspicion)))

    add("target", "target", draft.target, "as given")
    for column in draft.columns:
        later = "; known later" if column.name in problem.known_later else ""
        add(column.name, column.guess.kind, column.facts, column.guess.why + later, column.guess.suspicion)
    if draft.clock:
        add("", "clock", draft.clock, f"the time of day of {draft.time.column}")
    return table


def _exemplify(facts: Facts) -> str:
    shown = (text if len(text) <= LONGEST else f"{text[:LONGEST]}..." for text, _ in facts.frequent[:EXAMPLES])
    return ", ".join(shown)


def _decide(problem: Problem, draft: Draft) -> dict[str, str]:
    time = draft.time
    names = [name for name in (time.column, time.clock) if name]
    baseline = "the share of each class" if draft.classes else "the mean and the median of the target"
    if problem.horizon:
        of = f" of the same {problem.series}" if problem.series else ""
        baseline += f", the value {problem.horizon:,} rows before{of}, and the seasonal one"
    return {
        **({"Classes": _show_classes(draft.classes)} if draft.classes else {}),
        "Time": f"{' and '.join(names)}: {time.why}" if names else time.why,
        "Split": _tell_split(problem),
        "Baseline": f"a first model must beat {baseline}",
    }


def _tell_split(problem: Problem) -> str:
    if problem.split_by == "time" and problem.months and problem.months != (ALL,):
        return f"by {problem.time}: {SPLITS_OF_MONTHS[min(len(problem.months), 3)]}"
    return SPLITS[problem.split_by].format(
        time=problem.time, group=problem.group, test=problem.test_share, validation=problem.validation_share
    )


def _show_classes(classes: Classes) -> str:
    rows = sum(classes.counts.values())
    shares = ", ".join(f"{label} ({count / rows:.1%})" for label, count in classes.counts.items())
    return f"{shares}; {classes.positive} is the one that is looked for" if classes.positive else shares


def _list_left_out(problem: Problem, draft: Draft) -> list[str]:
    unused = [column for column in draft.columns if column.name == problem.weight or not _is_used(column.guess.kind)]
    lines = [_say_left_out(column) for column in unused]
    return lines + [f"{join_words(problem.columns[name].source)}: known later" for name in problem.known_later]


def _is_used(kind: KindName) -> bool:
    """Whether models learn from a column of the kind."""
    return KINDS[kind].is_feature and bool(DEFAULTS[kind]("any").names)


def _say_left_out(column: Described) -> str:
    return f"{join_words(column.facts.name)}: {column.guess.kind}, {column.guess.why}"


def _list(console: Console, title: str, lines: list[str]) -> None:
    console.print(f"[bold]{title}[/]: {'nothing' if not lines else ''}")
    for line in lines:
        console.print(f"  - {escape(line)}", soft_wrap=True)
