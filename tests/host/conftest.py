"""Tests of the host's repairs: the host must be imported through us, with stand-ins for what is absent."""

import usb_negsamp.host  # noqa: F401
