"""The steps that train one family of model types on one training set."""
