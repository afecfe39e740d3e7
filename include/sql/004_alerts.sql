-- Alerts: what people were told, or will be once a mail server answers.
CREATE SCHEMA IF NOT EXISTS alerts;

CREATE TABLE alerts.sent (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text        NOT NULL,
    severity      text        NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    dag_id        text        NOT NULL,
    run_id        text        NOT NULL,
    task_id       text        NOT NULL,
    subject       text        NOT NULL,
    content       json        NOT NULL,
    state         text        NOT NULL CHECK (state IN ('collecting', 'unsent', 'sent', 'silent')),
    channels_left text[]      NOT NULL,
    attempts      integer     NOT NULL DEFAULT 0,
    problem       text,
    not_before    timestamptz NOT NULL DEFAULT now(),
    created_at    timestamptz NOT NULL DEFAULT now(),
    sent_at       timestamptz
);
COMMENT ON COLUMN alerts.sent.state IS
    'collecting: waits for the other mapped tasks of the run; silent: nobody is to hear of this severity';
COMMENT ON COLUMN alerts.sent.content IS 'What it says; not jsonb, which would lose the order of facts and bars';
COMMENT ON COLUMN alerts.sent.channels_left IS 'Where it has not arrived yet: mail, or name and digest of an address';
COMMENT ON COLUMN alerts.sent.problem IS 'Why the last attempt did not succeed';
COMMENT ON COLUMN alerts.sent.not_before IS 'Whoever sends it moves this on first, so that no one else does meanwhile';
CREATE INDEX sent_by_run ON alerts.sent (dag_id, run_id, task_id);
CREATE INDEX sent_by_day ON alerts.sent (created_at);
CREATE INDEX not_sent_yet ON alerts.sent (not_before) WHERE state IN ('collecting', 'unsent');

-- The events behind them: each is told once, and repeats are counted here.
CREATE TABLE alerts.occurrences (
    event_key   text PRIMARY KEY,
    alert_id    bigint      NOT NULL REFERENCES alerts.sent ON DELETE CASCADE,
    repeat_key  text,
    run_id      text        NOT NULL,
    map_index   integer     NOT NULL,
    label       text        NOT NULL,
    headline    text        NOT NULL,
    link        text        NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN alerts.occurrences.event_key IS 'However often an event is reported (a worker and the DAG processor may), it counts once';
COMMENT ON COLUMN alerts.occurrences.repeat_key IS 'DAG, task and error: with the same one, nothing is sent for a while';
CREATE INDEX occurrences_by_alert ON alerts.occurrences (alert_id);
CREATE INDEX occurrences_by_cause ON alerts.occurrences (repeat_key, occurred_at);
