"""The page of ``usb-negsamp report``: what happened in one run or several, in one HTML file."""
