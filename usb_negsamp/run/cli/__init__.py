"""The command usb-negsamp."""
