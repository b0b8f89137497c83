"""Decides how a start that cannot succeed is told to a person; must never know why it failed."""


class CannotStart(Exception):
    """One paragraph that says what is wrong and what to do about it."""
