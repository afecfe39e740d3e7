-- Decisions on models, what is watched of them, and retrainings.
CREATE SCHEMA IF NOT EXISTS monitoring;

CREATE TABLE training.promotions (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind             text        NOT NULL CHECK (kind IN ('judgement', 'rollback')),
    name             text        NOT NULL,
    version          bigint      NOT NULL,
    family           text,
    model            text,
    set_version      bigint,
    trained_by       text,
    champion_version bigint,
    judged_on        bigint,
    split            text,
    rows             bigint,
    challenger_rmse  double precision,
    champion_rmse    double precision,
    interval_low     double precision,
    interval_high    double precision,
    slices           jsonb,
    reason           text        NOT NULL,
    state            text        NOT NULL CHECK (state IN ('rejected', 'waiting', 'declined', 'moving', 'promoted')),
    run_key          text        NOT NULL,
    decided_at       timestamptz NOT NULL DEFAULT now(),
    moved_at         timestamptz
);
COMMENT ON COLUMN training.promotions.set_version IS 'Training set that the model was trained on';
COMMENT ON COLUMN training.promotions.trained_by IS 'DAG id/run id of the training';
COMMENT ON COLUMN training.promotions.champion_version IS
    'What it was judged against and follows; null: no champion, so the mean of the training set';
COMMENT ON COLUMN training.promotions.judged_on IS 'Training set whose held-out rows both were scored on';
COMMENT ON COLUMN training.promotions.interval_low IS
    'Paired bootstrap interval of the challenger''s RMSE minus the champion''s';
COMMENT ON COLUMN training.promotions.state IS
    'waiting: won, not moved yet; moving: the aliases are being moved, and a retry completes it';
-- However often a version is announced, it is judged once; and a run rolls back once.
CREATE UNIQUE INDEX one_judgement_a_version ON training.promotions (name, version) WHERE kind = 'judgement';
CREATE UNIQUE INDEX one_rollback_a_run ON training.promotions (name, run_key) WHERE kind = 'rollback';

CREATE TABLE training.claims (
    family      text        NOT NULL,
    set_version bigint      NOT NULL,
    run_key     text        NOT NULL,
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (family, set_version)
);
COMMENT ON TABLE training.claims IS 'Which run trains a family on a set, so that an event and a trigger do it once';

CREATE TABLE training.retrainings (
    run_key     text PRIMARY KEY,
    reasons     text[]      NOT NULL,
    months      text[]      NOT NULL,
    state       text        NOT NULL CHECK (state IN ('running', 'success', 'failed')),
    runs        jsonb       NOT NULL DEFAULT '[]',
    models      jsonb       NOT NULL DEFAULT '[]',
    report      text,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
COMMENT ON COLUMN training.retrainings.runs IS 'The runs that it started or followed, with their states';
COMMENT ON COLUMN training.retrainings.models IS 'For each model: errors before and after, and the decision';

CREATE TABLE monitoring.drift (
    name             text        NOT NULL,
    champion_version bigint      NOT NULL,
    window_start     date        NOT NULL,
    window_days      integer     NOT NULL,
    column_name      text        NOT NULL,
    set_version      bigint      NOT NULL,
    rows             bigint      NOT NULL,
    psi              double precision NOT NULL,
    ks               double precision,
    js               double precision NOT NULL,
    drifted          boolean     NOT NULL,
    measured_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, champion_version, window_start, column_name)
);
COMMENT ON COLUMN monitoring.drift.psi IS 'Population stability index, natural logarithm';
COMMENT ON COLUMN monitoring.drift.ks IS 'Kolmogorov-Smirnov statistic; null for categories, which have no order';
COMMENT ON COLUMN monitoring.drift.js IS 'Jensen-Shannon distance, base 2: 0 to 1';

CREATE TABLE monitoring.alarms (
    name             text        NOT NULL,
    champion_version bigint      NOT NULL,
    window_start     date        NOT NULL,
    window_end       date        NOT NULL,
    columns          text[]      NOT NULL,
    run_key          text        NOT NULL,
    raised_at        timestamptz NOT NULL DEFAULT now(),
    answered_by      text,
    PRIMARY KEY (name, champion_version, window_start)
);
COMMENT ON COLUMN monitoring.alarms.window_start IS 'Start of the newest window that drifted; window_end is its last day';
COMMENT ON COLUMN monitoring.alarms.answered_by IS 'The retraining that answered it; null: not answered yet';

CREATE TABLE monitoring.live_errors (
    model_version text             NOT NULL,
    week          date             NOT NULL,
    rows          bigint           NOT NULL,
    rmse          double precision NOT NULL,
    mae           double precision NOT NULL,
    measured_at   timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (model_version, week)
);
COMMENT ON COLUMN monitoring.live_errors.week IS 'Monday of the week of the row''s time';
COMMENT ON COLUMN monitoring.live_errors.rows IS 'Logged predictions whose row has arrived since';
