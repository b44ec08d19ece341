"""`python -m pickup_export`."""

import sys

from .command import main

sys.exit(main())
