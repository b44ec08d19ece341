"""What goes wrong in an export."""


class Unfit(Exception):
    """The source is not what was expected. The message says what was, what was found, and what to do."""
