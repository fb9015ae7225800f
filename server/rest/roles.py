"""Roles, and who has which."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from protocol.commands import MAX_INT
from protocol.errors import Code, Refusal, Refused
from protocol.facts import Taken
from protocol.resources import UserRole
from server.calls import Call
from server.fields import ONE_LINE, AUserId, Description, In
from server.paging import Page, PageQuery, page_of, read_cursor
from server.rest.users import NO_SUCH_USER
from server.routing import Routes
from storage.roles import UnknownRole

roles = Routes("Administration")

ROLES_MAX: Final = 100
"""How many roles a user may have."""

ARoleId = Annotated[int, Meta(ge=1, le=MAX_INT)]
RoleName = Annotated[str, Meta(min_length=1, max_length=100, pattern=ONE_LINE, examples=["support"])]


class RoleCreate(In, frozen=True, kw_only=True):
    name: RoleName
    description: Description | None = None


class RoleNames(In, frozen=True, kw_only=True):
    roles: Annotated[list[RoleName], Meta(max_length=ROLES_MAX)]


class UserRoles(Struct, frozen=True):
    """The roles that a user has, by name."""

    roles: tuple[str, ...]


@roles.get("/auth/roles", access="superuser")
async def list_roles(call: Call, query: PageQuery) -> Page[UserRole]:
    """List the roles, newest first."""
    found = await call.context.roles.list_roles(
        before=read_cursor(query.cursor, ARoleId), skip=query.skip, limit=query.size + 1
    )
    return page_of(found, query.size, lambda role: role.id)


@roles.post("/auth/roles", access="superuser", status=201, refuses=(Code.TAKEN,))
async def create_role(call: Call, body: RoleCreate) -> UserRole:
    """Make a role; names are unique without case."""
    context = call.context
    role = await context.roles.create(body.name, body.description, call.doer, context.clock.now())
    if isinstance(role, Taken):
        raise Refused(Refusal(Code.TAKEN, "There is a role of this name already.", field="name"))
    return role


@roles.delete("/auth/roles/{role_id}", access="superuser", refuses=(Code.NOT_FOUND,))
async def delete_role(call: Call, role_id: ARoleId) -> None:
    """Delete a role, and take it from whoever has it."""
    if not await call.context.roles.delete(role_id, call.doer, call.context.clock.now()):
        raise Refused(Refusal(Code.NOT_FOUND, "There is no such role."))


@roles.get("/auth/users/{user_id}/roles", access="superuser", refuses=(Code.NOT_FOUND,))
async def read_user_roles(call: Call, user_id: AUserId) -> UserRoles:
    """Read which roles a user has."""
    found = await call.context.roles.of_user(user_id)
    if found is None:
        raise Refused(NO_SUCH_USER)
    return UserRoles(found)


@roles.put("/auth/users/{user_id}/roles", access="superuser", refuses=(Code.NOT_FOUND,))
async def replace_user_roles(call: Call, user_id: AUserId, body: RoleNames) -> UserRoles:
    """Give a user these roles and no others."""
    context = call.context
    found = await context.roles.replace(user_id, body.roles, call.doer, context.clock.now())
    if found is None:
        raise Refused(NO_SUCH_USER)
    if isinstance(found, UnknownRole):
        message = f"There is no role {found.name!r}. `POST /auth/roles` makes one."
        raise Refused(Refusal(Code.INVALID, message, field="roles"))
    return UserRoles(found)
