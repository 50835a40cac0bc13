"""The one error that bytes from outside can raise."""

_LONGEST = 400  # whatever was sent, this much of it goes into a log


class WireError(ValueError):
    """A message cannot be believed. `reason` is a short code that is counted; the text names thing, value and bound."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
        self.reason = reason
