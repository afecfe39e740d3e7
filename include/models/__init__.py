"""Models without a server: the table of model types, encoding, fitting, evaluation, explanation, stored form."""
