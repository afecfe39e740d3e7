-- One place for each: which sets readers see, and which of them is the newest.
CREATE VIEW training.published AS SELECT * FROM training.sets WHERE state = 'published';
COMMENT ON VIEW training.published IS 'The training sets that readers see';

CREATE VIEW training.newest AS SELECT * FROM training.published ORDER BY published_at DESC, version DESC LIMIT 1;
COMMENT ON VIEW training.newest IS 'The set that was published last, if there is one';
