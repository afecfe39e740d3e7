-- A watch may be restarted at any time: what it has told of a source is no news afterwards.
CREATE TABLE raw.watermarks (
    source text  PRIMARY KEY,
    signs  jsonb NOT NULL
);
COMMENT ON TABLE raw.watermarks IS 'Up to where the news of a source have been told';
COMMENT ON COLUMN raw.watermarks.source IS 'Its address without a password';
COMMENT ON COLUMN raw.watermarks.signs IS 'Month -> the sign by which a change of its file is told';
