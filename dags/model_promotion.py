"""Judges new models against the champion and promotes a better one.

**Starts** when a training DAG has registered a challenger, or by hand.

**Produces** for each version not judged yet a row in `training.promotions`, tags and a model card in MLflow; for a
winner the alias `champion` (the former one becomes `previous`), then the asset `champion_model` changes. A winner's
error on the same held-out rows is lower by at least `MIN_IMPROVEMENT`, beyond chance, and is worse by
`MAX_SLICE_REGRESSION` in no slice. A first model has to beat the best baseline, beyond chance; where none does, nothing
is promoted, and an alert reports it. The families of one training set are peers: each is judged against the champion of
the set before, and of those that win the one with the lowest error becomes champion. A champion that cannot be used is
reported by an alert, once; `previous`, or else the best baseline, replaces it in the comparison, and it does not become
`previous`.

**Parameters**: `approval`, where `human` lets a person decide on winners; `rollback`, which restores the previous
champion instead of judging (`make rollback`).
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import AssetAny, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.orchestration.alerts import DEFAULT_ARGS, RUN_FAILED, AlertNotifier
from include.orchestration.assets import CHAMPION_MODEL, FAMILY_MODELS
from include.orchestration.connections import get_warehouse_url
from include.orchestration.handover import explain_missing, list_versions
from include.orchestration.presentation import MAIN, MODELS, choice, first_sentence, flag, in_force
from include.orchestration.runs import name_run, note_run
from include.promotion.results import NewChampion, Winner
from include.settings import read_settings, read_usable_settings

PARAMS = {
    "approval": choice(
        "Approval",
        f"Whether a person decides on a winner. Hours to decide: {in_force('APPROVAL_DEADLINE')}.",
        ["auto", "human"],
        in_force("APPROVAL"),
    ),
    "rollback": flag("Roll back", "Restore the previous champion and judge nothing."),
}
PROMOTE, KEEP = "Promote", "Keep the champion"
BODY = "{{ ti.xcom_pull(task_ids='judge') | map(attribute='reason') | join('\\n\\n') }}"
TELL = AlertNotifier("promoted")


@task.branch
def choose(**context: Any) -> str:
    """Chooses whether to judge or to roll back."""
    return "roll_back" if context["params"]["rollback"] else "judge"


@task(outlets=[CHAMPION_MODEL], on_success_callback=TELL)
def roll_back(*, outlet_events: Any = None, **context: Any) -> NewChampion:
    """Makes the previous champion the champion again."""
    from include.promotion import aliases

    promotion = aliases.roll_back(get_warehouse_url(), read_settings(), name_run(context))
    note_run(context, promotion.reason)
    outlet_events[CHAMPION_MODEL].extra = promotion.to_event()
    return promotion.to_event()


# One at a time, and never by `max_active_runs`, with which events of further models are lost.
@task(max_active_tis_per_dag=1, on_success_callback=AlertNotifier("judged"))
def judge(**context: Any) -> list[Winner]:
    """Judges all versions that have not been judged yet; lists the winners with the reasons."""
    from include.promotion import judging

    url, settings, run_key = get_warehouse_url(), read_settings(), name_run(context)
    versions = judging.find_unjudged(url, settings, list_versions(context, settings.registered_model), run_key)
    judged = [judging.judge(url, settings, version, run_key) for version in versions]
    described = [judging.describe_decision(decision) for decision in judged]
    before, after = judging.describe_champion(url, settings), judging.describe_unbeaten(url, settings)
    lines = [before, *(described or ["No version is left to judge."]), after]
    note_run(context, "\n".join(line for line in lines if line))
    return [
        {"version": decision.version, "reason": judging.describe_decision(decision)}
        for decision in judged
        if decision.state == "waiting"
    ]


@task.branch
def ask(winners: list[Winner], **context: Any) -> str | None:
    """Chooses what follows: whether there is a winner, and whether a person decides on it."""
    if not winners:
        return None
    approval = context["params"]["approval"] or read_settings().approval
    # A branch hands over nothing by itself.
    context["ti"].xcom_push("approval", approval)
    return "approve" if approval == "human" else "promote"


@task(
    outlets=[CHAMPION_MODEL],
    trigger_rule="none_failed_min_one_success",
    max_active_tis_per_dag=1,
    on_success_callback=TELL,
)
def promote(winners: list[Winner], *, outlet_events: Any = None, **context: Any) -> NewChampion:
    """Promotes the last winner that still wins, unless a person declined or the deadline passed."""
    from include.promotion import judging

    url, settings, versions = get_warehouse_url(), read_settings(), [winner["version"] for winner in winners]
    ti = context["ti"]
    answer, approval = ti.xcom_pull(task_ids="approve"), ti.xcom_pull(task_ids="ask", key="approval")
    if not answer and approval != "auto":
        # A person had to decide, but there is no decision: a task was marked as success by hand.
        raise explain_missing("promote", "approve" if approval else "ask", "decision")
    if answer and answer["chosen_options"] != [PROMOTE]:
        judging.decline(url, settings, versions)
        raise AirflowSkipException("The champion stays: a person decided so, or the deadline passed.")
    promotion = judging.promote(url, settings, versions, name_run(context))
    if promotion is None:
        raise AirflowSkipException("The champion has changed in the meantime, and no winner beats the new one.")
    outlet_events[CHAMPION_MODEL].extra = promotion.to_event()
    return promotion.to_event()


@dag(
    schedule=AssetAny(*FAMILY_MODELS.values()),
    catchup=False,
    # A person may take that long to decide.
    dagrun_timeout=timedelta(hours=read_usable_settings().approval_deadline + 6),
    # An event that reaches a paused DAG is lost.
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    on_failure_callback=RUN_FAILED,
    params=PARAMS,
    description=first_sentence(__doc__),
    doc_md=__doc__,
    tags=[MAIN, MODELS],
)
def model_promotion() -> None:
    """Spells the graph."""
    winners = judge()
    approve = HITLOperator(
        task_id="approve",
        subject="Should the winner become champion?",
        body=BODY,
        options=[PROMOTE, KEEP],
        defaults=KEEP,
        response_timeout=timedelta(hours=read_usable_settings().approval_deadline),
        notifiers=[AlertNotifier("waiting")],
    )
    promoted = promote(winners)
    choose() >> [roll_back(), winners]
    ask(winners) >> [approve, promoted]
    approve >> promoted


model_promotion()
