"""What tasks hand to each other has the fields of what it is made of."""

from dataclasses import fields
from typing import Any

import pytest

from include.monitoring.report import Alarm, DriftReport
from include.monitoring.results import AlarmValues, DriftValues, WindowValues
from include.monitoring.windows import Window
from include.raw.ingestion import Ingest
from include.raw.validation import Validation
from include.retraining.reasons import Retraining
from include.retraining.report import FollowedRun
from include.retraining.results import EndedRun, RetrainingValues
from include.sets.plan import Plan
from include.sets.publish import Published
from include.sets.results import IngestValues, PlanValues, PublishedValues, ValidationValues
from include.training.job import Job
from include.training.results import JobValues, LimitValues
from include.tuning.search import Limits

PAIRS = [
    (Plan, PlanValues),
    (Ingest, IngestValues),
    (Validation, ValidationValues),
    (Published, PublishedValues),
    (Job, JobValues),
    (Limits, LimitValues),
    (DriftReport, DriftValues),
    (Window, WindowValues),
    (Alarm, AlarmValues),
    (Retraining, RetrainingValues),
    (FollowedRun, EndedRun),
]


@pytest.mark.parametrize(("made", "values"), PAIRS, ids=lambda each: each.__name__)
def test_values_have_the_fields_of_what_they_are_the_values_of(made: Any, values: Any) -> None:
    assert sorted(values.__annotations__) == sorted(field.name for field in fields(made))
