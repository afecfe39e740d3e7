"""XGBoost on a Dask cluster, by the library's own module for that."""

from collections.abc import Mapping
from typing import Any

from include.models.libraries.protocol import EARLY_STOPPING_ROUNDS, EncodedData, FitOptions
from include.models.libraries.xgboost_boosters import finish, plan
from include.models.table import ModelType
from include.training.engines.dealing import Dealt, take


class XGBoostOnDask:
    """See `Fits`; the data's matrices are `Dealt`, that of validation is called for where it is needed."""

    def fit(self, model: ModelType, parameters: Mapping[str, Any], data: EncodedData, options: FitOptions) -> Any:
        from xgboost import dask as on_dask
        from xgboost.callback import EarlyStopping

        planned = plan(model, parameters, options)
        types, client = data.encoder.feature_types, data.train.cluster.client

        def quantise(dealt: Dealt, **reference: Any) -> Any:
            arrays = {name: _as_array(dealt, name, len(types)) for name in ("matrix", "target", "weights")}
            return on_dask.DaskQuantileDMatrix(
                client,
                arrays["matrix"],
                arrays["target"],
                # Rows that validate may have none, see `weights_of_validation`: xgboost takes partitions of None.
                weight=arrays["weights"] if data.train_weight is not None else None,
                feature_types=types,
                enable_categorical=True,
                **reference,
            )

        train = quantise(data.train)
        fitted = on_dask.train(
            client,
            planned.parameters,
            train,
            planned.rounds,
            evals=[(quantise(data.validation(), ref=train), "validation")] if planned.stops else None,
            callbacks=[EarlyStopping(rounds=EARLY_STOPPING_ROUNDS)] if planned.stops else None,
            verbose_eval=False,
        )
        return finish(model, fitted["booster"], planned)


def _as_array(dealt: Dealt, name: str, columns: int) -> Any:
    """What the partitions hold by that name, as one array of Dask's, whose blocks stay where they are."""
    import dask.array

    kinds: Mapping[str, tuple[tuple[int, ...], str]] = {"matrix": ((columns,), "float32")}
    shape, dtype = kinds.get(name, ((), "float64"))
    return dask.array.concatenate(
        [
            dask.array.from_delayed(
                dealt.cluster.client.submit(take, held, at, name, workers=[worker], pure=False), (count, *shape), dtype
            )
            for worker, held, counts in zip(dealt.cluster.workers, dealt.held, dealt.rows, strict=True)
            for at, count in enumerate(counts)
        ]
    )
