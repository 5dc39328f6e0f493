"""`python -m bench`, and `python -m backpass.bench` where it is installed."""

import sys

from .command import main

sys.exit(main())
