"""`python -m kerasref`."""

import sys

from kerasref.cli import main

sys.exit(main())
