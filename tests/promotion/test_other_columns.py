"""A champion that takes columns as they are not declared any more: not compared, and still of use."""

from typing import Any

import pytest

from include.problem.declaration import Problem
from include.promotion import aliases, judging
from include.promotion.usability import check_champion
from include.settings import Settings
from include.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS
from tests.promotion.test_other_split import train_and_register
from tests.promotion.versions import RUN, judge_and_promote, read_aliases
from tests.published_sets import publish_set
from tests.warehouse_rows import query

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


def declare(settings: Settings, **changes: Any) -> Settings:
    """The rents with other columns, by name; None: without that one."""
    rents = Settings(problem="rents").problem
    columns = {name: column.model_dump(by_alias=True) for name, column in rents.columns.items()} | changes
    columns = {name: column for name, column in columns.items() if column}
    problem = Problem(**{**rents.model_dump(exclude={"columns"}), "columns": columns})
    return settings.model_copy(update={"problem": problem, "sample_rows": 1_500, "minimum_rows": 50})


CODE = {"kind": "code", "source": "year built"}


@pytest.mark.parametrize("built", [None, CODE], ids=["removed", "of another kind"])
def test_the_next_model_is_judged_against_the_best_baseline_and_one_can_roll_back(
    warehouse_url: str, settings: Settings, built: dict[str, str] | None
) -> None:
    url, rents = warehouse_url, declare(settings)
    champion = train_and_register(url, rents, publish_set(url, rents, "first").version)
    assert judge_and_promote(url, rents, champion) == "promoted"

    changed = declare(settings, built=built)
    challenger = train_and_register(url, changed, publish_set(url, changed, "second").version)
    judgement = judging.judge(url, changed, challenger, RUN)
    assert (judgement.baseline, judgement.rival_version) == ("mean", None)
    assert judging.describe_champion(url, changed) is None, "it loads and serves"
    assert judging.promote(url, changed, [challenger], RUN)
    assert read_aliases(changed) == {CHAMPION: challenger, PREVIOUS: champion}
    aliases.roll_back(url, changed, "model_promotion/back")
    assert read_aliases(changed) == {CHAMPION: champion, PREVIOUS: challenger}
    assert check_champion(url, changed) is None


def test_families_of_the_set_before_are_not_compared_either(warehouse_url: str, settings: Settings) -> None:
    url, rents = warehouse_url, declare(settings)
    first = publish_set(url, rents, "first").version
    champion = train_and_register(url, rents, first)
    assert judge_and_promote(url, rents, champion) == "promoted"
    late = train_and_register(url, rents, first, family="xgboost")
    publish_set(url, declare(settings, built=None), "second")

    reason = judging.judge(url, rents, late, RUN).reason
    assert reason.startswith("The model cannot be used: The model was trained with built, which the problem does not")
    assert judging.describe_champion(url, rents) is None
    assert query(url, "SELECT * FROM monitoring.unusable_champions") == []
    assert read_aliases(rents) == {CHAMPION: champion, CHALLENGER: late}
