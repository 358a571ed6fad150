"""What goes wrong, in words for the user."""


class Problem(Exception):
    """What is wrong, and a hint what to do."""

    def __init__(self, message, hint=None):
        super().__init__(message)
        self.hint = hint

    def show(self):
        return f"error: {self}" + (f"\nhint: {self.hint}" if self.hint else "")


def gist(message):
    """Of a message of many lines the first, and the first of the rest that is a compiler's error."""
    lines = [line.strip() for line in message.splitlines() if line.strip()] or ["without a message"]
    return ": ".join([lines[0], *[line for line in lines[1:] if "error: " in line][:1]])
