"""How near one picture is to another, and what that says of an edit."""
