"""From an event to the channels: each alert by each of its channels once, whatever happens in between."""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from include.alerting import outbox, recording
from include.alerting.alert import Alert
from include.alerting.channels import ChannelAway, MailServer, RefusedForGood, choose_channels, send
from include.alerting.message import write_message
from include.errors import WarehouseUnavailable
from include.settings import Settings

log = logging.getLogger(__name__)


def tell(
    url: str,
    settings: Settings,
    server: MailServer,
    alerts: Sequence[Alert],
    *,
    unfinished: Iterable[int] = (),
    ended_run: tuple[str, str] | None = None,
) -> list[str]:
    """Records alerts and sends what is due. An alert that cannot be recorded is sent without.

    Args:
        unfinished: Indexes of the mapped task that an alert is on, which had not ended when it was made: the last one
            to fail sends the alert on all of them.
        ended_run: DAG id and run id of a run that has ended, whose alerts need not wait any longer.

    Returns:
        A line per alert that was sent or recorded.
    """
    due: list[int] = []
    lines: list[str] = []
    for alert in (each.make_storable() for each in alerts):
        try:
            channels = choose_channels(settings, alert.severity)
            number = recording.record(url, alert, channels, timedelta(hours=settings.alert_repeat_after))
            due += [number] if number else []
            if alert.map_index >= 0:
                task = (alert.dag_id, alert.run_id, alert.task_id)
                if set(unfinished) <= recording.list_collected(url, *task):
                    due += outbox.settle(url, *task)
        except Exception as error:  # whatever it is, this alert and those after it are told
            lines += [_explain(error), *_send_unkept(settings, server, alert)]
    if ended_run:
        try:
            due += outbox.settle(url, *ended_run)
        except Exception as error:
            lines.append(_explain(error))
    return lines + deliver(url, settings, server, dict.fromkeys(due))


def _explain(error: Exception) -> str:
    if isinstance(error, WarehouseUnavailable):
        return f"{error}"
    log.error("The warehouse does not take an alert", exc_info=error)
    return f"The warehouse does not take an alert: {error!r}"


def deliver(url: str, settings: Settings, server: MailServer, numbers: Iterable[int]) -> list[str]:
    """Sends alerts that are due; what cannot be sent now stays in the outbox.

    Returns:
        A line per alert that was attempted.

    Raises:
        WarehouseUnavailable: The outbox cannot be read.
    """
    away: dict[str, str] = {}
    return [line for number in numbers for line in _deliver_one(url, settings, server, number, away)]


def _deliver_one(url: str, settings: Settings, server: MailServer, number: int, away: dict[str, str]) -> list[str]:
    claimed = outbox.claim(url, number)
    if claimed is None:
        return []
    problems: list[str] = []
    given_up: list[str] = []
    pause = False
    try:
        message = write_message(
            claimed.alert, str(number), claimed.created_at, claimed.occurrences, claimed.repeated_elsewhere
        )
    except Exception as error:  # a fault in one alert must not keep the others back
        log.exception("Alert %d cannot be rendered", number)
        outbox.mark_failed(url, number, repr(error), pause=True)
        return [f"Alert {number} cannot be rendered and stays unsent: {error!r}"]
    for channel in claimed.channels:
        try:
            if channel in away:
                raise ChannelAway(away[channel])
            send(channel, message, settings, server)
        except ChannelAway as error:
            # With a hundred alerts waiting, one attempt is enough to see that a server is away.
            away[channel] = str(error)
            problems.append(f"{channel}: {error}")
        except RefusedForGood as error:
            problem = f"{channel} refused it permanently and is not tried again: {error}"
            log.error("Alert %d: %s", number, problem)
            outbox.mark_refused(url, number, channel, problem)
            given_up.append(problem)
        except Exception as error:  # refused, or unfit for a header: it waits, and others go ahead
            pause = True
            problems.append(f"{channel}: {error!r}")
        else:
            outbox.mark_arrived(url, number, channel, message.subject)
    if not problems and given_up:
        return [f"Alert {number} was given up: {'; '.join(given_up)}: {message.subject}"]
    if not problems:
        return [f"Alert {number} was sent by {', '.join(claimed.channels)}: {message.subject}"]
    outbox.mark_failed(url, number, "; ".join(given_up + problems), pause=pause)
    return [f"Alert {number} stays unsent ({'; '.join(problems)}): {message.subject}"]


def _send_unkept(settings: Settings, server: MailServer, alert: Alert) -> list[str]:
    now = datetime.now(UTC)
    try:
        message = write_message(alert, now.strftime("%Y%m%dT%H%M%S%f"), now)
    except Exception as error:  # as of one that is kept
        log.exception("An alert that is not recorded cannot be rendered")
        return [f"An alert is lost, neither recorded nor rendered ({error!r}): {alert.headline}"]
    lines = []
    for channel in choose_channels(settings, alert.severity):
        try:
            send(channel, message, settings, server)
            lines.append(f"An alert was sent by {channel} but not recorded: {message.subject}")
        except Exception as error:  # the last resort has failed: the log is what remains
            lines.append(f"An alert is lost, neither recorded nor sent by {channel} ({error!r}): {message.subject}")
    return lines
