-- A blend is made of several trials of a search, whose estimators are kept side by side.
ALTER TABLE training.estimators DROP CONSTRAINT estimators_pkey, ADD PRIMARY KEY (run_key, model, parameters);
