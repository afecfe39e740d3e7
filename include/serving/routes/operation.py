"""Routes for operators: the model in use, a check of the registry, metrics, health."""

from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query, Response, status

from include.serving.access import require_key, require_key_or_signature
from include.serving.checking import Checks
from include.serving.parts import REFUSALS, Parts
from include.serving.routes import answers
from include.version import VERSION


def add_operation(app: FastAPI, parts: Parts) -> None:
    """Adds the routes to an application."""
    known, checks = [Depends(require_key(parts.secrets))], Checks(parts.holder)

    @app.get(
        "/model",
        summary="Show the champion in memory",
        dependencies=known,
        response_model=answers.ModelInMemory,
        response_description="Its version, lineage, parameters and metrics",
        responses=REFUSALS,
    )
    async def model() -> dict[str, Any]:
        champion = parts.take_champion()
        version, metadata = champion.loaded.version, champion.model.metadata
        return {
            "name": version.name,
            "version": version.version,
            **{name: metadata[name] for name in ("family", "model", "parameters", "lineage")},
            "metrics": champion.loaded.metrics,
            "since": champion.since,
            "service_version": VERSION,
        }

    @app.post(
        "/reload",
        summary="Check for a new champion now; also accepts MLflow's signed webhooks",
        dependencies=[Depends(require_key_or_signature(parts.secrets))],
        response_model=answers.Reloaded,
        response_description="The result of the check",
        responses={
            401: REFUSALS[401],
            408: {"model": answers.Refused, "description": "The body of a webhook did not arrive in time"},
            413: {"model": answers.Refused, "description": "The body of a webhook is too large"},
            429: {"model": answers.Refused, "description": "Too many webhooks at once"},
        },
    )
    async def reload() -> dict[str, Any]:
        swapped = await checks.check()
        champion = parts.holder.current
        return {"swapped": swapped, "version": champion and champion.version, "problem": parts.holder.problem}

    @app.get(
        "/metrics",
        summary="Metrics for Prometheus",
        dependencies=known,
        response_class=Response,
        response_description="Metrics in the Prometheus text format",
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, 401: REFUSALS[401]},
    )
    async def metrics() -> Response:
        return Response(parts.metrics.to_text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/healthz", summary="Whether the process is alive", response_description="It is alive")
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get(
        "/readyz",
        summary="Whether the service can predict",
        response_model=answers.Ready,
        response_description="It can",
        responses={503: {"model": answers.Ready, "description": "No champion yet"}},
    )
    async def ready(
        response: Response,
        champion: Annotated[
            Literal["required", "optional"],
            Query(description="`optional`: also ready without a champion, if the registry has none yet"),
        ] = "required",
    ) -> dict[str, Any]:
        holder, current = parts.holder, parts.holder.current
        is_ready = current is not None or (champion == "optional" and holder.found_none)
        if not is_ready:
            response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return {
            "ready": is_ready,
            "version": current and current.version,
            "since": current and current.since,
            "looked_at": holder.looked_at,
            "problem": holder.problem,
        }
