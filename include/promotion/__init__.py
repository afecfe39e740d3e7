"""Which registered version serves: comparison, decision, and the move of the aliases."""
