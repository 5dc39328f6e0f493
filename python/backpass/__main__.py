"""python -m backpass: the same as the command backpass."""

import sys

from backpass._cli import main

sys.exit(main())
