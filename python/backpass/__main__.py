"""python -m backpass: the same as the command backpass."""

import sys

from backpass.tools._cli import main

sys.exit(main())
