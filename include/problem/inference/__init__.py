"""What the values of a column say about how they are written; decided once, when a problem is declared."""
