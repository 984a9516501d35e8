"""What a user can put right, told apart from what went wrong inside."""


class UserError(ValueError):
    """Something about the request; the message is one sentence that says what to do."""
