"""Choices that only a person can make: a wrong guess would be costly."""

from dataclasses import dataclass

from include.configuration.values import show_setting
from include.errors import SettingsError


@dataclass(frozen=True)
class Answer:
    """One of the answers: what to give to the command, and what that means."""

    key: str
    value: str
    meaning: str

    @property
    def line(self) -> str:
        """As it is given to `make problem`."""
        return show_setting(self.key, self.value)


class ChoiceNeeded(SettingsError):
    """A choice that must be made before a declaration can be written.

    Attributes:
        question: What must be chosen, and why.
        answers: What can be chosen.
    """

    def __init__(self, question: str, answers: tuple[Answer, ...]) -> None:
        lines = "".join(f"\n  {answer.line}  {answer.meaning}" for answer in answers)
        super().__init__(f"{question} Give one of:{lines}")
        self.question = question
        self.answers = answers
