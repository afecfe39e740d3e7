-- What the dashboards keep, and what they look things up by.
CREATE SCHEMA IF NOT EXISTS dashboards;

CREATE TABLE dashboards.layouts (
    person     text        NOT NULL,
    page       text        NOT NULL,
    layout     jsonb       NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person, page)
);
COMMENT ON TABLE dashboards.layouts IS 'How a person has arranged a page: order, sizes and hidden cards';

CREATE TABLE dashboards.profiles (
    month      text        NOT NULL PRIMARY KEY,
    sha256     text        NOT NULL,
    columns    jsonb       NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN dashboards.profiles.sha256 IS 'Hash of the source that was profiled; another one in raw.sources: out of date';

-- Pages look at trials by time; the index alone answers.
CREATE INDEX trials_by_time ON training.trials (finished_at) INCLUDE (run_key, model, loss);
CREATE INDEX rejected_trips_by_rule ON raw.rejected_trips (month, rule);

-- Histories are drawn by run and model type; of a hundred thousand trials, the database would make them anew each time.
CREATE TABLE training.tunings (
    run_key     text             NOT NULL,
    model       text             NOT NULL,
    trials      integer          NOT NULL,
    best_loss   double precision NOT NULL,
    finished_at timestamptz      NOT NULL,
    PRIMARY KEY (run_key, model)
);
COMMENT ON TABLE training.tunings IS 'Trials with a loss of each model type in each run and the best of them, kept by a trigger of training.trials';
COMMENT ON COLUMN training.tunings.finished_at IS 'When the last of them ended';

CREATE FUNCTION training.note_best() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training.tunings AS t (run_key, model, trials, best_loss, finished_at)
    VALUES (NEW.run_key, NEW.model, 1, NEW.loss, NEW.finished_at)
    ON CONFLICT (run_key, model) DO UPDATE SET trials = t.trials + 1,
        best_loss = least(t.best_loss, EXCLUDED.best_loss), finished_at = greatest(t.finished_at, EXCLUDED.finished_at);
    RETURN NULL;
END $$;
CREATE TRIGGER note_best AFTER INSERT ON training.trials
    FOR EACH ROW WHEN (NEW.loss IS NOT NULL) EXECUTE FUNCTION training.note_best();
