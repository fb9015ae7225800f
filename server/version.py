"""Which Parley this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version


@cache
def version() -> str:
    """The installed version; a source tree that was never installed has none."""
    try:
        return installed_version("parley")
    except PackageNotFoundError:
        return "0.0.0"
