"""Published training sets for tests, made by the steps of data preparation."""

from typing import Any

from include.models.artifact import Model
from include.models.fitting import encode, fit
from include.models.table import MODELS
from include.sets import build, preparation, publish
from include.sets.examples import load_references, load_split, read_problem_of
from include.settings import Settings


def publish_set(url: str, settings: Settings, created_by: str = "run", **request: Any) -> publish.Published:
    """Runs every step from the source to a published version."""
    preparation.load_references(url, settings)
    plan = preparation.plan(url, settings, request).plan
    for month in plan.months:
        preparation.ingest(url, settings, month)
    preparation.validate_raw(url, settings, plan.to_dict())
    version = preparation.transform(url, settings, plan.to_dict(), created_by)
    build.build(url, version)
    build.validate(url, settings, version)
    published = preparation.publish(url, settings, version)
    assert published
    return published


def publish_sample(url: str) -> publish.Published:
    """Two months of the synthetic sample, in three splits."""
    settings = Settings(source="sample", sample_rows=1_500, minimum_rows=100)
    return publish_set(url, settings, months=["2024-01", "2024-02"], test_from="2024-02-15")


def train(url: str, version: int, model: str, feature_set: str) -> Model:
    """A model type with its first parameters, fitted to a published set."""
    problem = read_problem_of(url, version)
    splits = [load_split(url, version, name) for name in ("train", "validation")]
    data = encode(MODELS[model], problem, feature_set, load_references(url, version), *splits)
    fitted = fit(MODELS[model], MODELS[model].start, data, random_state=1, threads=1)
    metadata = {"family": MODELS[model].family, "model": model, "parameters": {}, "lineage": {}}
    made = Model.of(data, fitted.estimator, metadata)
    return made.bound(splits[1], made.predict(splits[1].rows))
