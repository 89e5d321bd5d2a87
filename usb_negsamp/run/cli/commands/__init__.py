"""One file for each command of ``usb-negsamp``: its words, its help, and what carries it out."""
