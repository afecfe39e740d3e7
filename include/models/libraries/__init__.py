"""What each library of models does in its own way: one module a library, one table of them."""
