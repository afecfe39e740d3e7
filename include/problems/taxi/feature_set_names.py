"""The feature sets by name: what DAG files and forms offer, without loading what computes them."""

from typing import Literal, get_args

FeatureSetName = Literal["reference", "rich"]
FEATURE_SET_NAMES: tuple[FeatureSetName, ...] = get_args(FeatureSetName)
