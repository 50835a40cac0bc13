"""The one error that bytes from outside can raise."""


class WireError(ValueError):
    """A message cannot be believed. `reason` is a short code that is counted; the text names thing, value and bound."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
