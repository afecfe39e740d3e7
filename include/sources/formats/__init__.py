"""Files of tables in any usual form: packed or not, text or binary, one or several."""
