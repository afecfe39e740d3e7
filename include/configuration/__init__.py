"""Where settings come from, and what their values may be."""
