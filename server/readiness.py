"""Whether this process takes requests now, and if not, why."""

from enum import StrEnum


class Phase(StrEnum):
    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Readiness:
    """The phase of the process. It starts, serves, drains, and never goes back."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING

    @property
    def is_draining(self) -> bool:
        return self.phase == Phase.DRAINING

    def serve(self) -> None:
        if self.phase == Phase.STARTING:
            self.phase = Phase.SERVING

    def drain(self) -> None:
        self.phase = Phase.DRAINING
