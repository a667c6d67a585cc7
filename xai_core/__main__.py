"""`python -m xai_core` is the same as `xai`."""

import sys

from xai_core.cli.main import main

sys.exit(main())
