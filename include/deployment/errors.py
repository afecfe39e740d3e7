"""Errors of deploying: each message says what was refused, and what to do."""


class DeploymentError(Exception):
    """A release, a backup or a restore did not do what was asked."""
