-- Two steps reject rows, each its own: the load what only it can see, the rules what is stored.
ALTER TABLE raw.rejected ADD COLUMN stage text NOT NULL DEFAULT 'rule' CHECK (stage IN ('load', 'rule'));
COMMENT ON COLUMN raw.rejected.stage IS 'load: the stored row has null there, or shows nothing; rule: a rule was broken';
