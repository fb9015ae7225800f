"""The audit log, as superusers read it."""

from typing import Annotated

from msgspec import Meta

from protocol.audit import AuditEntry
from protocol.commands import MAX_INT
from server.calls import Call
from server.fields import TARGET
from server.paging import Page, PageQuery, page_of, read_cursor
from server.routing import Routes
from storage.audit import AuditFilter

audit = Routes("Administration")

AnEntryId = Annotated[int, Meta(ge=1, le=MAX_INT)]
ActorText = Annotated[str, Meta(min_length=1, max_length=100, examples=["7", "alice"])]
ActionText = Annotated[str, Meta(min_length=1, max_length=100, examples=["user.disabled"])]
TargetText = Annotated[
    str, Meta(min_length=1, max_length=151, pattern=TARGET, examples=["user:7", "channel", "7"])
]


class AuditQuery(PageQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`actor` is a user's id or name, `target` a kind of thing, an id, or both: `user:7`."""

    actor: ActorText | None = None
    action: ActionText | None = None
    target: TargetText | None = None


@audit.get("/auth/audit", access="superuser")
async def list_audit_log(call: Call, query: AuditQuery) -> Page[AuditEntry]:
    """Read who did what to whom, when and from where; newest first."""
    found = await call.context.audit.list_entries(
        wanted_by(query),
        before=read_cursor(query.cursor, AnEntryId),
        skip=query.skip,
        limit=query.size + 1,
    )
    return page_of(found, query.size, lambda entry: entry.id)


def wanted_by(query: AuditQuery) -> AuditFilter:
    target_type, target_id = split_target(query.target)
    is_id = query.actor is not None and is_number(query.actor)
    return AuditFilter(
        actor_id=int(query.actor) if query.actor is not None and is_id else None,
        actor=None if is_id else query.actor,
        action=query.action,
        target_type=target_type,
        target_id=target_id,
    )


def split_target(target: str | None) -> tuple[str | None, str | None]:
    """The kind and the id that `user:7`, `user` or `7` asks for."""
    if target is None:
        return None, None
    if is_number(target):
        return None, target
    kind, _, number = target.partition(":")
    return kind, number or None


def is_number(text: str) -> bool:
    """Whether it is an id; a longer row of digits may still be a name."""
    return text.isascii() and text.isdecimal() and int(text) <= MAX_INT
