"""`python -m include.serving`: the prediction service, one process.

Reads the settings as tasks do, and from the environment what is secret or where it is: SERVING_API_KEY,
SERVING_WEBHOOK_SECRET (optional), SERVING_WAREHOUSE_URL, SERVING_HOST, SERVING_PORT and MLFLOW_TRACKING_URI.
"""

import gc
import logging
import os
import sys
from contextlib import suppress

import uvicorn

from include.keep_alive import KEEP_ALIVE_SECONDS
from include.prediction.inputs import InputFormat
from include.serving.access import Secrets
from include.serving.app import create_app
from include.serving.holder import Holder
from include.serving.log_writer import LogWriter
from include.serving.metrics import Metrics
from include.serving.middleware.connections import Connection, Server
from include.serving.parts import Parts
from include.settings import read_settings

# The registry is asked every few seconds: one that is away is to be noticed, not waited for.
MLFLOW_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
# Loading a model beside the requests must not keep them from the interpreter for longer than this.
SECONDS_A_THREAD_MAY_KEEP_THE_INTERPRETER = 0.001
SECONDS_TO_END = 5


def main() -> None:
    """Serves until it is stopped."""
    missing = [name for name in ("SERVING_API_KEY", "SERVING_WAREHOUSE_URL") if not os.environ.get(name)]
    if missing:
        sys.exit(f"The environment does not have {', '.join(missing)}: set each and start again.")
    for name, value in MLFLOW_LIMITS.items():
        os.environ.setdefault(name, value)
    sys.setswitchinterval(SECONDS_A_THREAD_MAY_KEEP_THE_INTERPRETER)
    settings, metrics = read_settings(), Metrics()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    parts = Parts(
        Holder(metrics),
        LogWriter(os.environ["SERVING_WAREHOUSE_URL"], settings.serving_queue_rows, metrics),
        metrics,
        Secrets(os.environ["SERVING_API_KEY"], os.environ.get("SERVING_WEBHOOK_SECRET", "")),
    )
    # What has been imported stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        create_app(parts, InputFormat.of(settings.problem)),
        host=os.environ.get("SERVING_HOST", "127.0.0.1"),
        port=int(os.environ.get("SERVING_PORT", "8100")),
        http=Connection,
        ws="none",
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )
    with suppress(KeyboardInterrupt):
        Server(config).run()


if __name__ == "__main__":
    main()
