"""Playground: the page's form is in its template; it has no charts of its own in the table."""
