"""`python -m include.team.health <what> ...`: ends with 0 when a container's program does its work, as Docker asks.

Without Airflow's and Celery's own commands, which would take a second of CPU or more for each look.
"""

import json
import os
import socket
import sys
from base64 import b64encode
from collections.abc import Callable
from urllib.request import ProxyHandler, Request, build_opener

SECONDS_TO_ANSWER = 10
# Programs are neighbours, whatever proxy leads to the world.
OPENER = build_opener(ProxyHandler({}))


def check_page(*addresses: str) -> str | None:
    """What keeps one of the addresses from answering; none when all do."""
    for address in addresses:
        with OPENER.open(address, timeout=SECONDS_TO_ANSWER):
            pass
    return None


def check_tracking(address: str) -> str | None:
    """Whether MLflow answers its login that this program has."""
    login = f"{os.environ['MLFLOW_TRACKING_USERNAME']}:{os.environ['MLFLOW_TRACKING_PASSWORD']}".encode()
    headers = {"Authorization": f"Basic {b64encode(login).decode()}"}
    request = Request(f"{address}/health", headers=headers)  # noqa: S310, the compose file names it
    with OPENER.open(request, timeout=SECONDS_TO_ANSWER):
        return None


def check_heartbeat(program: str, address: str) -> str | None:
    """What Airflow's API server says of a scheduler, dag_processor or triggerer by its heartbeat."""
    with OPENER.open(f"{address}/api/v2/monitor/health", timeout=SECONDS_TO_ANSWER) as answer:
        status = json.load(answer)[program]["status"]
    return None if status == "healthy" else f"Airflow reports that its {program} is {status}"


def check_port(host: str, port: str) -> str | None:
    """Whether something listens there; no page is asked for."""
    with socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER):
        return None


def check_worker() -> str | None:
    """Whether the Celery worker of this host answers through the broker, as `celery inspect ping` asks it."""
    from kombu import Connection
    from kombu.pidbox import Mailbox

    name = f"celery@{socket.gethostname()}"
    with Connection(os.environ["AIRFLOW__CELERY__BROKER_URL"]) as broker:
        mailbox = Mailbox("celery", type="fanout")(broker)
        answers = mailbox.call([name], "ping", timeout=SECONDS_TO_ANSWER)
    return None if answers else f"{name} does not answer"


CHECKS: dict[str, Callable[..., str | None]] = {
    "page": check_page,
    "port": check_port,
    "tracking": check_tracking,
    "heartbeat": check_heartbeat,
    "worker": check_worker,
}


def main() -> None:
    """Prints what is wrong, if anything."""
    what, *arguments = sys.argv[1:]
    try:
        problem = CHECKS[what](*arguments)
    except Exception as error:  # whatever a server that is not well answers with
        problem = f"{type(error).__name__}: {error}"
    sys.exit(problem)


if __name__ == "__main__":
    main()
