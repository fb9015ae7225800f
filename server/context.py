"""What the handlers need, in one place: put together by the composition root, passed with every call."""

from msgspec import Struct

from actors.chat import Chat
from actors.ports import Clock
from server.agents.team import Team
from server.auth import Authenticator
from server.blobs import Blobs
from server.bridges.switchboard import Switchboard
from server.descriptions import Descriptions
from server.logins import Logins
from server.measures import Measures
from server.metrics import Metrics
from server.passwords import PasswordHasher
from server.readiness import Readiness
from server.reports import ReportDesk
from server.settings import Settings
from server.tenant_accounts import TenantAccounts
from server.throttles import Throttles
from server.webhooks.desk import WebhookDesk
from storage.accounts import Accounts
from storage.attachments import Attachments
from storage.audit import AuditLog
from storage.channels import Channels
from storage.conversations import Conversations
from storage.departures import Departures
from storage.engine import Database
from storage.messages import Messages
from storage.outbox import Outbox
from storage.reactions import Reactions
from storage.roles import Roles
from storage.search import Search
from storage.sessions import Sessions


class Context(Struct, frozen=True, kw_only=True):
    """`started_at_s` on the clock's monotonic time."""

    settings: Settings
    clock: Clock
    started_at_s: float
    readiness: Readiness
    descriptions: Descriptions
    database: Database
    accounts: Accounts
    sessions: Sessions
    roles: Roles
    audit: AuditLog
    departures: Departures
    channels: Channels
    messages: Messages
    outbox: Outbox
    conversations: Conversations
    attachments: Attachments
    reactions: Reactions
    blobs: Blobs
    reports: ReportDesk
    search: Search
    authenticator: Authenticator
    hasher: PasswordHasher
    throttles: Throttles
    logins: Logins
    tenant_accounts: TenantAccounts | None
    chat: Chat
    agents: Team
    bridges: Switchboard
    webhooks: WebhookDesk
    measures: Measures
    metrics: Metrics

    def uptime_s(self) -> float:
        return self.clock.monotonic() - self.started_at_s
