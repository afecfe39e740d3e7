"""Sets of tables that are not divided into months, or have no time at all."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.errors import DataQualityError, SettingsError
from include.problem.declaration import Problem
from include.sets.build import transform
from include.sets.examples import get_training_set, load_split
from include.sets.holdout import load_held_out
from include.sets.plan import compute_fingerprint, make_plan
from include.sets.publish import Published
from include.sets.split import choose_days
from include.settings import Settings
from tests.published_sets import publish_set
from tests.warehouse_rows import query

CARS: dict[str, Any] = {
    "name": "cars",
    "row": "car",
    "target": "price",
    "columns": {"age": {}, "owner": {"kind": "category"}, "plate": {"kind": "id"}},
}
SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
Write = Callable[[list[str]], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a CSV and returns its address."""

    def write(lines: list[str]) -> str:
        path = tmp_path / "table.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path.as_uri()

    return write


def settings_of(source: str, **changes: Any) -> Settings:
    problem = Problem(**{**CARS, "source": source, **changes})
    return Settings(problem=problem, minimum_rows=10)  # type: ignore[arg-type]


def make_cars(rows: int, *, plates: bool = True) -> list[str]:
    draw = random.Random(0)
    header = "age,owner,price" + ",plate" * plates
    lines = [f"{draw.random():.6f},{number % 60},{draw.random():.6f}" for number in range(rows)]
    return [header, *(f"{line},A{number}" if plates else line for number, line in enumerate(lines))]


def where_rows_are(url: str, version: int) -> dict[float, str]:
    """Age, which no two cars share, by split."""
    return dict(query(url, f"SELECT age, split FROM training.examples_{version}"))


def test_a_table_without_months_is_one_part_and_split_by_shares(warehouse_url: str, write: Write) -> None:
    published = publish_set(warehouse_url, settings_of(write(make_cars(2_000))))
    assert published.months == ("all",)
    assert sum(published.counts[split] for split in SHARES) == 2_000
    for split, share in SHARES.items():
        assert published.counts[split] / 2_000 == pytest.approx(share, abs=0.03)
    found = get_training_set(warehouse_url, published.version)
    assert (found.validation_from, found.test_from, found.has_test_split) == (None, None, True)


@pytest.mark.parametrize("plates", [True, False])
def test_a_row_stays_where_it_is_when_rows_are_added_or_change_places(
    warehouse_url: str, write: Write, plates: bool
) -> None:
    columns = CARS["columns"] if plates else {name: CARS["columns"][name] for name in ("age", "owner")}
    rows = make_cars(600, plates=plates)
    first = publish_set(warehouse_url, settings_of(write(rows[:401]), columns=columns), "first")
    shuffled = [rows[0], *random.Random(1).sample(rows[1:], 600)]
    second = publish_set(warehouse_url, settings_of(write(shuffled), columns=columns), "second")
    before, after = (where_rows_are(warehouse_url, published.version) for published in (first, second))
    assert len(before) == 400
    assert before.items() <= after.items()


def test_a_row_keeps_its_split_by_its_id_when_what_it_says_is_corrected(warehouse_url: str, write: Write) -> None:
    rows = make_cars(300)
    first = publish_set(warehouse_url, settings_of(write(rows)), "first")
    corrected = [rows[0], *(",".join([*row.split(",")[:2], "7", row.split(",")[3]]) for row in rows[1:])]
    second = publish_set(warehouse_url, settings_of(write(corrected)), "second")
    assert where_rows_are(warehouse_url, first.version) == where_rows_are(warehouse_url, second.version)


def test_another_seed_makes_another_split(warehouse_url: str, write: Write) -> None:
    settings = settings_of(write(make_cars(300)))
    first = publish_set(warehouse_url, settings, "first")
    second = publish_set(warehouse_url, settings.change(random_state=7), "second")
    assert second.version != first.version
    assert where_rows_are(warehouse_url, first.version) != where_rows_are(warehouse_url, second.version)


def test_rows_of_a_group_are_never_in_two_splits(warehouse_url: str, write: Write) -> None:
    published = publish_set(warehouse_url, settings_of(write(make_cars(3_000)), group="owner"))
    owners = query(
        warehouse_url, f"SELECT owner, count(DISTINCT split) FROM training.examples_{published.version} GROUP BY 1"
    )
    assert len(owners) == 60
    assert {splits for _, splits in owners} == {1}
    assert all(published.counts[split] for split in SHARES)


def test_rows_without_a_group_are_not_all_in_one_split(warehouse_url: str, write: Write) -> None:
    rows = [row.replace(",7,", ",,") if number % 2 else row for number, row in enumerate(make_cars(3_000))]
    published = publish_set(
        warehouse_url,
        settings_of(
            write(["age,owner,price,plate", *(f"{n}.5,,{n},P{n}" for n in range(300)), *rows[1:]]), group="owner"
        ),
    )
    splits = query(
        warehouse_url,
        f"SELECT count(DISTINCT split) FROM training.examples_{published.version} WHERE owner IS NULL",
    )
    assert splits == [(3,)]


def make_days(days: int, rows_of_a_day: int) -> list[str]:
    draw = random.Random(0)
    return [
        "Date,Hour,price",
        *(
            f"{date(2024, 1, 1) + timedelta(days=day):%d/%m/%Y},{hour % 24},{draw.random():.6f}"
            for day in range(days)
            for hour in range(rows_of_a_day)
        ),
    ]


def settings_of_days(source: str, **changes: Any) -> Settings:
    columns = {"sold_at": {"source": "Date", "kind": "time"}}
    times = {"time": ["Date", "Hour"], "time_format": "%d/%m/%Y"}
    return settings_of(source, columns=columns, **times, **changes)


def publish_days(url: str, source: str, **changes: Any) -> Published:
    return publish_set(url, settings_of_days(source, **changes))


def test_a_date_and_an_hour_are_one_time_and_whole_days_are_held_out(warehouse_url: str, write: Write) -> None:
    published = publish_days(warehouse_url, write(make_days(20, 24)))
    found = get_training_set(warehouse_url, published.version)
    assert (found.validation_from, found.test_from) == ("2024-01-15", "2024-01-18")
    assert [published.counts[split] for split in SHARES] == [14 * 24, 3 * 24, 3 * 24]
    train = load_split(warehouse_url, published.version, "train")
    assert train.rows["sold_at"][:2].astype(str).tolist() == [
        "2024-01-01T00:00:00.000000",
        "2024-01-01T01:00:00.000000",
    ]
    assert train.rows["sold_at"].max() == np.datetime64("2024-01-14T23:00")


def test_shares_and_declared_days_can_be_chosen(warehouse_url: str, write: Write) -> None:
    source = write(make_days(20, 24))
    published = publish_days(warehouse_url, source, validation_share=0.25, test_share=0)
    assert [published.counts[split] for split in SHARES] == [15 * 24, 5 * 24, 0]
    settings = settings_of_days(source)
    declared = publish_set(warehouse_url, settings, validation_from="2024-01-10", test_from="2024-01-20")
    assert [declared.counts[split] for split in SHARES] == [9 * 24, 10 * 24, 24]


def test_rows_without_a_time_are_kept_where_a_hash_splits(warehouse_url: str, write: Write) -> None:
    lines = ["sold_at,age,price", *(f"{'' if row % 10 else '2024-01-02'},{row},{row}" for row in range(400))]
    columns = {"sold_at": {"kind": "time", "required": False}, "age": {}}
    settings = settings_of(write(lines), columns=columns, time="sold_at", split="hash")
    published = publish_set(warehouse_url, settings)
    assert sum(published.counts[split] for split in SHARES) == 400
    times = [load_split(warehouse_url, published.version, split).rows["sold_at"] for split in SHARES]
    assert np.isnat(np.concatenate(times)).sum() == 360


@pytest.mark.parametrize(
    ("rows", "days"),
    [
        ([10, 10, 10], ("2024-01-02", "2024-01-03")),
        ([1, 1, 98], ("2024-01-02", "2024-01-03")),
        ([98, 1, 1], ("2024-01-02", "2024-01-03")),
        ([10] * 100, ("2024-03-11", "2024-03-26")),
    ],
)
def test_each_split_has_a_day_however_rows_are_spread(rows: list[int], days: tuple[str, str]) -> None:
    by_day = {date(2024, 1, 1) + timedelta(days=number): count for number, count in enumerate(rows)}
    assert choose_days(by_day, Problem(**CARS, source="file:///cars.csv")) == days


def test_too_few_days_are_refused_with_a_way_that_leads_out(warehouse_url: str, write: Write) -> None:
    source = write(make_days(2, 96))
    with pytest.raises(DataQualityError, match=r"rows are of 2 days, too few.* Set SPLIT=hash"):
        publish_days(warehouse_url, source)
    assert publish_days(warehouse_url, source, split="hash").counts["test"] > 0


def test_a_day_for_rows_without_time_is_refused_with_a_way_that_leads_out(write: Write) -> None:
    settings = settings_of(write(make_cars(10)))
    with pytest.raises(SettingsError, match="validation_from: rows are split by hash, not by time. Leave it empty"):
        make_plan(settings, validation_from="2024-01-10")
    assert make_plan(settings).validation_from is None


def test_the_recipe_of_a_split_is_part_of_a_sets_identity(write: Write) -> None:
    settings = settings_of(write(make_cars(10)))

    def fingerprint(**changes: Any) -> str:
        changed = settings.change(**changes)
        return compute_fingerprint(changed, make_plan(changed), {"all": "hash"}, {})

    made = {fingerprint(), fingerprint(random_state=1), fingerprint(test_share=0.2), fingerprint(group="owner")}
    assert len(made) == 4
    assert fingerprint() == fingerprint()


def test_models_are_compared_on_rows_that_neither_learnt_from(warehouse_url: str, write: Write) -> None:
    settings = settings_of(write(make_cars(1_000)))
    first = publish_set(warehouse_url, settings, "first")
    # The places that test now trained before.
    second = publish_set(warehouse_url, settings.change(validation_share=0.1, test_share=0.5), "second")
    alone = load_held_out(warehouse_url, [second.version])
    both = load_held_out(warehouse_url, [first.version, second.version])
    # Models of a set with a test split learn from its validation split, too.
    learnt = {age for age, split in where_rows_are(warehouse_url, first.version).items() if split != "test"}
    assert len(alone.actual) == second.counts["test"]
    assert len(both.actual) == len(alone.actual) - len(learnt & set(alone.rows["age"].tolist()))
    assert not learnt & set(both.rows["age"].tolist())


def test_a_set_that_was_split_otherwise_may_have_trained_on_any_row(warehouse_url: str, write: Write) -> None:
    settings = settings_of(write(make_cars(1_000)))
    first = publish_set(warehouse_url, settings.change(random_state=1), "first")
    second = publish_set(warehouse_url, settings, "second")
    assert len(load_held_out(warehouse_url, [second.version]).actual) == second.counts["test"]
    assert len(load_held_out(warehouse_url, [first.version, second.version]).actual) == 0


def test_the_same_table_is_transformed_to_the_same_examples(warehouse_url: str, write: Write) -> None:
    settings = settings_of(write(make_cars(200)))
    published = publish_set(warehouse_url, settings)
    again = transform(warehouse_url, settings, make_plan(settings), "again")
    assert where_rows_are(warehouse_url, published.version) == where_rows_are(warehouse_url, again)
