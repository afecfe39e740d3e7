"""Makes a declaration for a table: reads a sample, guesses what each column is, explains, and writes the file."""
