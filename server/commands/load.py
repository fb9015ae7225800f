"""`parley load`: the load harness, which is a program of its own (`python -m loadtest`)."""

from loadtest.options import configure, run

__all__ = ["configure", "run"]
