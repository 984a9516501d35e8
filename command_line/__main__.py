"""`python -m latent_inversion.command_line`."""

import sys

from . import main

sys.exit(main())
