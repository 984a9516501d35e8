"""What techniques are put together for: each application as a function of values that every host has."""
