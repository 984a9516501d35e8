"""The front door: a model loaded, an image inverted, the image edited, each in a line.

The names that the package offers are `latent_inversion.__all__`; the command line fills the same descriptions.
"""
