-- Histories are drawn by run and model type; of a hundred thousand trials, the database would make them anew each time.
CREATE TABLE training.tunings (
    run_key     text             NOT NULL,
    model       text             NOT NULL,
    trials      integer          NOT NULL,
    best_loss   double precision NOT NULL,
    set_version bigint           NOT NULL,
    finished_at timestamptz      NOT NULL,
    PRIMARY KEY (run_key, model)
);
COMMENT ON TABLE training.tunings IS 'Trials with a loss of each model type in each run and the best of them, kept by a trigger of training.trials';
COMMENT ON COLUMN training.tunings.set_version IS 'Errors can be compared within one training set alone';
COMMENT ON COLUMN training.tunings.finished_at IS 'When the last of them ended';

-- Trials that end meanwhile wait, and are counted by the trigger.
LOCK TABLE training.trials IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO training.tunings (run_key, model, trials, best_loss, set_version, finished_at)
SELECT run_key, model, count(*), min(loss), max(set_version), max(finished_at) FROM training.trials WHERE loss IS NOT NULL
GROUP BY run_key, model;

CREATE FUNCTION training.note_best() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training.tunings AS t (run_key, model, trials, best_loss, set_version, finished_at)
    VALUES (NEW.run_key, NEW.model, 1, NEW.loss, NEW.set_version, NEW.finished_at)
    ON CONFLICT (run_key, model) DO UPDATE SET trials = t.trials + 1,
        best_loss = least(t.best_loss, EXCLUDED.best_loss), finished_at = greatest(t.finished_at, EXCLUDED.finished_at);
    RETURN NULL;
END $$;
CREATE TRIGGER note_best AFTER INSERT ON training.trials
    FOR EACH ROW WHEN (NEW.loss IS NOT NULL) EXECUTE FUNCTION training.note_best();
