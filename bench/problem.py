"""What goes wrong in a way the user can mend."""


class Problem(Exception):
    """What is wrong, and a hint what to do."""

    def __init__(self, message, hint=None):
        super().__init__(message)
        self.hint = hint

    def show(self):
        return f"error: {self}" + (f"\nhint: {self.hint}" if self.hint else "")
