"""The papers' tables and figures: their rows, the scales at which they are trained, and ours beside the papers'."""
