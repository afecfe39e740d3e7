"""The table of model types. Adding one is one entry: how it encodes, what is fixed, what is searched and from where.

A search space is plain data, `parameter -> (distribution, *arguments)`, turned into hyperopt's terms when tuning
starts, so that the table can be read (by a DAG file, a form, a page) without loading any of the libraries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from include.errors import SettingsError
from include.problem.objectives.table import Task

if TYPE_CHECKING:
    from include.problem.declaration import Problem

Family = Literal["sklearn", "xgboost", "lightgbm"]
FAMILIES: tuple[Family, ...] = get_args(Family)
# A DAG trains each family.
TRAINING_DAGS = tuple(f"{family}_training" for family in FAMILIES)
Space = Mapping[str, tuple[Any, ...]]
# The middle of the targets, and the distance between their quartiles.
Statistic = Literal["median", "spread"]
# Which targets a loss is defined for.
Allowed = Literal["any", "of zero or more", "above zero"]


@dataclass(frozen=True)
class ModelType:
    """One entry of the table.

    Attributes:
        name: Its key in the table; of scikit-learn, where the estimator's class is.
        task: What it predicts.
        classes: Of classes, how many it can tell apart: `two`, `several` or `any` number of them.
        metric: What its library calls the error of the validation split by which it stops early; empty: as the
            objective does.
        native_categories: Whether it takes categories as they are, where the feature set allows.
        start: The first trial's parameters; the search goes on from there.
        space: What the search may change.
        fixed: What it may not.
        targets: Those that it can be fitted to: none in any split of a set may be another one.
        in_unit: Parameters in the unit of the target. Their values are for targets that deviate by about 10 from their
            mean; others have them multiplied by a power of ten.
        of_target: Parameters that follow from the training split's target, by the name of a statistic of it.
        stops_early: Whether the validation split says how many rounds are best. Dropping trees changes the weights of
            earlier ones, so that a dart booster has no best round to go back to.
        log_target: Whether a booster learns the target's logarithm, of which it predicts the inverse.
        seeded: Whether the estimator takes a `random_state`.
    """

    family: Family
    space: Space
    start: Mapping[str, Any]
    fixed: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    of_target: Mapping[str, Statistic] = field(default_factory=lambda: MappingProxyType({}))
    in_unit: tuple[str, ...] = ()
    targets: Allowed = "any"
    stops_early: bool = False
    log_target: bool = False
    native_categories: bool = False
    seeded: bool = True
    parallel: bool = False
    task: Task = "regression"
    classes: Literal["two", "several", "any"] = "any"
    metric: str = ""
    name: str = ""

    def fits(self, problem: "Problem") -> bool:
        """Whether it predicts what the problem asks for."""
        if self.task != problem.task:
            return False
        return self.classes == "any" or (self.classes == "two") == (len(problem.labels) == 2)

    def allows(self, lowest: float) -> bool:
        """Whether it can be fitted to targets of which that is the lowest."""
        return self.targets == "any" or lowest > 0 or (lowest == 0 and self.targets == "of zero or more")


NOTHING: Mapping[str, Any] = MappingProxyType({})

_TREES: Space = {
    "n_estimators": ("int", 10, 40),
    "max_depth": ("int", 5, 20),
    "min_samples_split": ("int", 2, 10),
    "min_samples_leaf": ("int", 1, 8),
}
_TREES_START = {"n_estimators": 20, "max_depth": 15, "min_samples_split": 4, "min_samples_leaf": 2}

# The share of a class in a leaf is no probability where a leaf is of few rows.
_VOTING: Space = {
    "n_estimators": ("int", 30, 120),
    "max_depth": ("int", 4, 20),
    "min_samples_leaf": ("int", 2, 40),
}
_VOTING_START = {"n_estimators": 60, "max_depth": 12, "min_samples_leaf": 5}

_BOOSTED: Space = {
    "max_depth": ("int", 5, 11),
    "learning_rate": ("loguniform", 0.05, 0.3),
    "subsample": ("uniform", 0.6, 1.0),
    "colsample_bytree": ("uniform", 0.5, 1.0),
    "min_child_weight": ("loguniform", 1.0, 60.0),
    "reg_alpha": ("loguniform", 1e-3, 10.0),
    "reg_lambda": ("loguniform", 1e-2, 30.0),
}
_BOOSTED_START = {
    "max_depth": 9,
    "learning_rate": 0.1,
    "subsample": 0.8,
    "colsample_bytree": 0.7,
    "min_child_weight": 20.0,
    "reg_alpha": 0.01,
    "reg_lambda": 1.0,
}


def _boosted(
    objective: str,
    booster: str = "gbtree",
    *,
    targets: Allowed = "any",
    in_unit: tuple[str, ...] = (),
    of_target: Mapping[str, Statistic] = NOTHING,
    log_target: bool = False,
    **fixed: Any,
) -> ModelType:
    return ModelType(
        "xgboost",
        space=_BOOSTED,
        start=_BOOSTED_START,
        fixed={"booster": booster, "objective": objective, "tree_method": "hist", **fixed},
        targets=targets,
        in_unit=in_unit,
        of_target=of_target,
        stops_early=booster == "gbtree",
        log_target=log_target,
        native_categories=True,
        parallel=True,
    )


def _of_classes(model: ModelType, classes: Literal["two", "several"], metric: str) -> ModelType:
    return replace(model, task="classification", classes=classes, metric=metric)


_LEAFWISE: Space = {
    "num_leaves": ("int", 8, 127),
    "learning_rate": ("loguniform", 0.03, 0.2),
    "bagging_fraction": ("uniform", 0.6, 1.0),
    "feature_fraction": ("uniform", 0.5, 1.0),
    "min_data_in_leaf": ("int", 3, 60),
    "cat_smooth": ("loguniform", 3.0, 60.0),
    "lambda_l1": ("loguniform", 1e-3, 10.0),
    "lambda_l2": ("loguniform", 1e-2, 50.0),
}
_LEAFWISE_START = {
    "num_leaves": 47,
    "learning_rate": 0.08,
    "bagging_fraction": 0.8,
    "feature_fraction": 0.85,
    "min_data_in_leaf": 15,
    "cat_smooth": 20.0,
    "lambda_l1": 0.01,
    "lambda_l2": 5.0,
}


def _leafwise(objective: str, *, targets: Allowed = "any", in_unit: tuple[str, ...] = (), **fixed: Any) -> ModelType:
    return ModelType(
        "lightgbm",
        space=_LEAFWISE,
        start=_LEAFWISE_START,
        fixed={"boosting": "gbdt", "objective": objective, "bagging_freq": 1, **fixed},
        targets=targets,
        in_unit=in_unit,
        stops_early=True,
        native_categories=True,
        parallel=True,
    )


_ENTRIES: Mapping[str, ModelType] = MappingProxyType(
    {
        "linear_model.LinearRegression": ModelType(
            "sklearn",
            space={"fit_intercept": ("choice", True, False)},
            start={"fit_intercept": True},
            seeded=False,
        ),
        "linear_model.Lasso": ModelType(
            "sklearn",
            space={"alpha": ("loguniform", 1e-4, 1.0)},
            start={"alpha": 0.001},
            in_unit=("alpha",),
            fixed={"max_iter": 500, "tol": 1e-3},
        ),
        "svm.LinearSVR": ModelType(
            "sklearn",
            space={"C": ("loguniform", 1e-3, 10.0), "epsilon": ("uniform", 0.0, 2.0)},
            start={"C": 0.1, "epsilon": 0.5},
            in_unit=("epsilon",),
            fixed={"loss": "squared_epsilon_insensitive", "dual": False, "max_iter": 500, "tol": 1e-3},
        ),
        "ensemble.ExtraTreesRegressor": ModelType(
            "sklearn", space=_TREES, start=_TREES_START, fixed={"max_features": 0.5}, parallel=True
        ),
        "ensemble.GradientBoostingRegressor": ModelType(
            "sklearn",
            space={
                "n_estimators": ("int", 20, 80),
                "learning_rate": ("loguniform", 0.03, 0.4),
                "max_depth": ("int", 3, 8),
                "min_samples_leaf": ("int", 1, 8),
            },
            start={"n_estimators": 40, "learning_rate": 0.2, "max_depth": 5, "min_samples_leaf": 2},
            fixed={"subsample": 0.5, "max_features": 0.3},
        ),
        "ensemble.RandomForestRegressor": ModelType(
            "sklearn", space=_TREES, start=_TREES_START, fixed={"max_features": 0.3, "max_samples": 0.5}, parallel=True
        ),
        "linear_model.LogisticRegression": ModelType(
            "sklearn",
            space={"C": ("loguniform", 1e-3, 100.0)},
            start={"C": 1.0},
            fixed={"max_iter": 500},
            task="classification",
        ),
        "ensemble.ExtraTreesClassifier": ModelType(
            "sklearn",
            space=_VOTING,
            start=_VOTING_START,
            fixed={"max_features": 0.5},
            parallel=True,
            task="classification",
        ),
        "ensemble.GradientBoostingClassifier": ModelType(
            "sklearn",
            space={
                "n_estimators": ("int", 30, 120),
                "learning_rate": ("loguniform", 0.03, 0.3),
                "max_depth": ("int", 2, 6),
                "min_samples_leaf": ("int", 1, 20),
            },
            start={"n_estimators": 60, "learning_rate": 0.1, "max_depth": 3, "min_samples_leaf": 5},
            fixed={"subsample": 0.5, "max_features": 0.3},
            task="classification",
        ),
        "ensemble.RandomForestClassifier": ModelType(
            "sklearn",
            space=_VOTING,
            start=_VOTING_START,
            fixed={"max_features": 0.3, "max_samples": 0.5},
            parallel=True,
            task="classification",
        ),
        "gbtree.squarederror": _boosted("reg:squarederror", in_unit=("reg_alpha",)),
        "gbtree.logsquarederror": _boosted("reg:squarederror", targets="above zero", log_target=True),
        "gbtree.gamma": _boosted("reg:gamma", targets="above zero"),
        "gbtree.absoluteerror": _boosted("reg:absoluteerror"),
        # xgboost's own first guess, one step from 0, lands far beyond any target, where this loss has hardly a
        # gradient; and the slope is the size from which on an error counts as large.
        "gbtree.pseudohubererror": _boosted(
            "reg:pseudohubererror", in_unit=("reg_alpha",), of_target={"base_score": "median", "huber_slope": "spread"}
        ),
        "gbtree.tweedie": _boosted("reg:tweedie", targets="of zero or more", tweedie_variance_power=1.3),
        "dart.squarederror": _boosted(
            "reg:squarederror", booster="dart", in_unit=("reg_alpha",), rate_drop=0.1, n_estimators=60
        ),
        "gblinear.squarederror": ModelType(
            "xgboost",
            space={
                "learning_rate": ("loguniform", 0.1, 1.0),
                "reg_alpha": ("loguniform", 1e-6, 1e-2),
                "reg_lambda": ("loguniform", 1e-6, 1e-2),
            },
            start={"learning_rate": 0.5, "reg_alpha": 1e-5, "reg_lambda": 1e-5},
            in_unit=("reg_alpha",),
            # `shotgun`, the default updater, races between threads: same seed, other model.
            fixed={"booster": "gblinear", "objective": "reg:squarederror", "updater": "coord_descent"},
        ),
        "gbtree.logistic": _of_classes(_boosted("binary:logistic"), "two", "logloss"),
        "gbtree.softprob": _of_classes(_boosted("multi:softprob"), "several", "mlogloss"),
        "gbdt.squarederror": _leafwise("regression", in_unit=("lambda_l1",)),
        "gbdt.gamma": _leafwise("gamma", targets="above zero"),
        "gbdt.absoluteerror": _leafwise("regression_l1"),
        "gbdt.tweedie": _leafwise("tweedie", targets="of zero or more", tweedie_variance_power=1.3),
        "gbdt.binary": _of_classes(_leafwise("binary"), "two", "binary_logloss"),
        "gbdt.multiclass": _of_classes(_leafwise("multiclass"), "several", "multi_logloss"),
    }
)

MODELS: Mapping[str, ModelType] = MappingProxyType(
    {name: replace(entry, name=name) for name, entry in _ENTRIES.items()}
)


# What is behind a model type's name in that of its blend.
_BLEND = "-blend"


def name_blend(model: str) -> str:
    """The name of the blend of a model type's best trials."""
    return model + _BLEND


def type_of(name: str) -> str:
    """The name of the model type that a model is of; where the model is a blend, that its members are of."""
    return name.removesuffix(_BLEND)


def names_for_skewed(family: Family) -> list[str]:
    """Names of a family's model types that learn the target's logarithm."""
    return [name for name, model in MODELS.items() if model.family == family and model.log_target]


def names_of(family: Family) -> list[str]:
    """Names of a family's model types, in the table's order."""
    return [name for name, model in MODELS.items() if model.family == family]


def names_for(family: Family, problem: "Problem") -> list[str]:
    """Those of `names_of` that predict what the problem asks for."""
    return [name for name in names_of(family) if MODELS[name].fits(problem)]


def get_model(name: str, family: Family | None = None) -> ModelType:
    """The entry of that name.

    Raises:
        SettingsError: There is none, or it is of another family than asked for.
    """
    model = MODELS.get(name)
    if model is None or (family and model.family != family):
        known = names_of(family) if family else list(MODELS)
        kind = f"{family} model type" if family else "model type"
        raise SettingsError(f"Unknown {kind} '{name}'; choose from: {', '.join(known)}.")
    return model
