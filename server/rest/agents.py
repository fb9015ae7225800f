"""Agents: who there is to talk to, and letting one into a channel."""

from typing import Annotated, Final

from msgspec import Meta, structs

from actors.channel_commands import JoinChannel, LookAt
from protocol.agents import AgentInfo
from protocol.errors import Code, Refusal, Refused
from server.calls import Call
from server.fields import AChannelId, AUserId
from server.paging import Page, PageQuery, page_of, read_cursor
from server.profiles import with_presence
from server.routing import Routes

agents = Routes("Agents")

NO_AGENT: Final = Refusal(Code.NOT_FOUND, "There is no such agent.", field="name")
AgentName = Annotated[str, Meta(min_length=1, max_length=100, examples=["assistant"])]


@agents.get("/agents")
async def list_agents(call: Call, query: PageQuery) -> Page[AgentInfo]:
    """List the agents, newest first: write to one, or mention it in a channel that it is in."""
    before = read_cursor(query.cursor, AUserId)
    found = [
        structs.replace(info, user=with_presence(call.context.chat, info.user))
        for info in await call.context.agents.list_agents()
        if before is None or info.user.id < before
    ]
    return page_of(found[query.skip :][: query.size + 1], query.size, lambda info: info.user.id)


@agents.put(
    "/channels/{channel_id}/agents/{name}",
    refuses=(Code.NOT_FOUND, Code.FORBIDDEN, Code.CHANNEL_ARCHIVED),
)
async def admit_agent(call: Call, channel_id: AChannelId, name: AgentName) -> AgentInfo:
    """Let an agent into a channel, as an admin: there it answers what mentions it."""
    chat, team = call.context.chat, call.context.agents
    look = await chat.ask(call.identity, channel_id, LookAt(needs="admin"))
    agent = await team.find(name)
    if agent is None:
        raise Refused(NO_AGENT)
    await chat.ask(agent.identity, channel_id, JoinChannel(join_code=look.join_code))
    return agent.info
