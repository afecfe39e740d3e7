"""Watches the champion: drift of its columns, and the error of what it has predicted."""
