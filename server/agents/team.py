"""The agents of this server: their users are made at the start, and what is asked of them comes to them."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from actors.agents.agent import Agent
from actors.agents.assistant import Assistant
from actors.agents.ports import AgentLimits, AgentSurroundings, Speaker
from actors.agents.report_agent import ReportAgent
from actors.agents.tally import Tally
from actors.agents.worker import AgentWorker
from actors.channel_commands import Identity
from actors.chat import Chat
from actors.ports import Clock
from protocol.agents import AgentInfo
from protocol.ids import UserId
from server.decoding import decode_json
from server.model import LiteLlm
from server.profiles import public_profile
from server.reports import ReportDesk
from server.settings import Settings
from storage.accounts import Accounts
from storage.agent_jobs import AgentJobs
from storage.bots import Bots
from storage.engine import Database

LOG: Final = logging.getLogger("orchestrator")


def agents_of(reports: ReportDesk) -> tuple[Agent, ...]:
    """Every agent there is: a new one is a class, and a word here."""
    return Assistant(), ReportAgent(reports)


class AccountsOfPeople:
    """People with the rights that they have now."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def identity(self, user_id: UserId) -> Identity | None:
        user = await self._accounts.find(user_id)
        if user is None or not user.is_active:
            return None
        return Identity(public_profile(user), user.is_superuser)


class TeamMember(Struct, frozen=True):
    """An agent that answers: as whom it acts, and what people are told of it."""

    identity: Identity
    info: AgentInfo


class Team:
    """`start` before anybody is let in, `close` when nobody is left."""

    def __init__(self, agents: Sequence[Agent], database: Database, accounts: Accounts) -> None:
        self._agents = agents
        self._database = database
        self._people = AccountsOfPeople(accounts)
        self._speakers: dict[UserId, Speaker] = {}
        self._model: LiteLlm | None = None
        self.tally = Tally()

    async def start(self, settings: Settings, chat: Chat, clock: Clock) -> None:
        """Make the users that are missing, and take on the answers that are due. Raises Unavailable."""
        await self._make_users(clock.now())
        if settings.litellm_model:
            self._model = LiteLlm(settings)
        around = AgentSurroundings(
            system=chat.system,
            fanout=chat.fanout,
            clock=clock,
            jobs=AgentJobs(self._database),
            people=self._people,
            decode=decode_json,
            limits=limits_of(settings),
            model=self._model,
            speakers=self._speakers,
            tally=self.tally,
        )
        chat.outboxes.employ(AgentWorker(around))

    async def list_agents(self) -> list[AgentInfo]:
        """Those who answer, newest first: who was disabled is left out. Raises Unavailable."""
        found = [await self._member(user_id) for user_id in sorted(self._speakers, reverse=True)]
        return [member.info for member in found if member is not None]

    async def find(self, name: str) -> "TeamMember | None":
        """The agent of this name; None when there is none, or it was disabled. Raises Unavailable."""
        named = (user_id for user_id, each in self._speakers.items() if each.agent.name == name.lower())
        user_id = next(named, None)
        return None if user_id is None else await self._member(user_id)

    async def _member(self, user_id: UserId) -> "TeamMember | None":
        identity, agent = await self._people.identity(user_id), self._speakers[user_id].agent
        if identity is None:
            return None
        return TeamMember(identity, AgentInfo(agent.name, agent.description, identity.profile))

    async def close(self) -> None:
        if self._model is not None:
            await self._model.close()

    async def _make_users(self, now: datetime) -> None:
        bots = Bots(self._database)
        for agent in self._agents:
            profile = await bots.ensure(agent.name, agent.description, now)
            if profile is None:
                LOG.error(
                    "the agent %s cannot start: the name is a person's. Rename them and start again",
                    agent.name,
                )
            else:
                self._speakers[profile.id] = Speaker(agent, profile)


def limits_of(settings: Settings) -> AgentLimits:
    return AgentLimits(
        timeout_s=settings.agent_timeout_s,
        concurrency=settings.agent_concurrency,
        tokens_per_user_day=settings.agent_tokens_per_user_day,
        history_max=settings.chat_history_max,
    )
