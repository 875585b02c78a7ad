"""What the person who converts a model must act on."""


class ConversionError(Exception):
    """A model that can't be converted; the message says what was expected, what was found and what to do."""
