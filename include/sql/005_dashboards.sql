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
CREATE INDEX rejected_by_rule ON raw.rejected (month, rule);
