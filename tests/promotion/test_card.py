"""What a card says of the data."""

from include.promotion.card import describe_target
from include.sets.profile import profile_split
from tests.bikes import BIKES
from tests.classified import TIERS, make_split


def test_number_is_described_by_its_mean_and_deviation() -> None:
    figures = {"mean": 123.456, "deviation": 12.3}
    assert describe_target(figures, BIKES) == "The target's mean there is 123.5, its deviation 12.3 bikes."


def test_classes_are_described_by_their_shares_in_their_order() -> None:
    split = make_split(TIERS, 1_000)
    shares = [f"{label} ({(split.target == number).mean():.1%})" for number, label in enumerate(TIERS.labels)]
    figures = profile_split(TIERS, split)["target"]
    assert describe_target(figures, TIERS) == f"The classes there are {', '.join(shares)}."
