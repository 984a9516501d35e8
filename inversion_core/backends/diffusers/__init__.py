"""diffusers as a host of the library."""
