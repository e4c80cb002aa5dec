"""`python -m fastpatent.commands JOB ...`, where the `fastpatent` command is not installed."""

import sys

from fastpatent.commands import main

sys.exit(main())
