"""Every route of the REST API."""

from typing import Final

from server.rest.accounts import accounts
from server.rest.admin_users import admin_users
from server.rest.agents import agents
from server.rest.audit import audit
from server.rest.auth0 import auth0
from server.rest.channel_messages import channel_messages
from server.rest.channels import channels
from server.rest.conversations import conversations
from server.rest.files import files
from server.rest.invites import invites
from server.rest.me import me
from server.rest.membership import membership
from server.rest.messages import messages
from server.rest.metrics import metrics
from server.rest.reactions import reactions
from server.rest.reports import reports
from server.rest.roles import roles
from server.rest.search import search
from server.rest.status import status
from server.rest.telegram import telegram
from server.rest.twilio import twilio
from server.rest.users import users
from server.rest.webhooks import webhooks
from server.routing import Route

PARTS: Final = (
    status,
    metrics,
    accounts,
    auth0,
    me,
    users,
    channels,
    membership,
    invites,
    channel_messages,
    messages,
    conversations,
    reactions,
    files,
    reports,
    agents,
    twilio,
    telegram,
    webhooks,
    search,
    admin_users,
    roles,
    audit,
)
ROUTES: Final[tuple[Route, ...]] = tuple(route for part in PARTS for route in part.routes)
