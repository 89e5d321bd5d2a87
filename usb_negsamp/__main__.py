"""``python -m usb_negsamp``: the same as the command ``usb-negsamp``."""

import sys

from usb_negsamp.run.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
