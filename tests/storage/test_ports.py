"""Storage fits what actors ask for, without knowing them: checked by the type checker, and by name here."""

from datetime import UTC, datetime

from actors import ports
from storage.channels import Channels
from storage.engine import Database
from storage.messages import Messages


async def test_storage_fits_the_ports_of_the_actors(database: Database) -> None:
    commits: ports.Commits = Messages(database)
    channels: ports.Channels = Messages(database)
    users: ports.Users = Channels(database, lambda: datetime.now(UTC))
    for port, fits in ((ports.Commits, commits), (ports.Channels, channels), (ports.Users, users)):
        assert {name for name in vars(port) if not name.startswith("_")} <= set(dir(fits))
