"""`python -m pmrnet`."""

import sys

from pmrnet.cli import main

sys.exit(main())
