-- One place for each: what the target is, which sets readers see, and which of them is the newest.
CREATE VIEW raw.known AS
SELECT t.month, t.row_number, t.pickup_at, t.dropoff_at, t.pickup_zone, t.dropoff_zone, t.trip_distance,
       coalesce(t.target, extract(epoch FROM t.dropoff_at - t.pickup_at)::double precision / 60) AS target
FROM raw.rows t;
COMMENT ON VIEW raw.known IS 'Loaded trips with their target: the source''s own, else what passed between both times';

CREATE OR REPLACE VIEW raw.accepted AS
SELECT t.month, t.row_number, t.pickup_at, t.pickup_zone, t.dropoff_zone, t.trip_distance, t.target
FROM raw.known t
WHERE NOT EXISTS (SELECT FROM raw.rejected r WHERE r.month = t.month AND r.row_number = t.row_number);

CREATE VIEW training.published AS SELECT * FROM training.sets WHERE state = 'published';
COMMENT ON VIEW training.published IS 'The training sets that readers see';

CREATE VIEW training.newest AS SELECT * FROM training.published ORDER BY published_at DESC, version DESC LIMIT 1;
COMMENT ON VIEW training.newest IS 'The set that was published last, if there is one';
