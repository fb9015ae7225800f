"""Reports as rows: what people report, and what superusers make of it."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from protocol.agents import CallKey
from protocol.audit import Doer
from protocol.ids import UserId
from protocol.resources import Report, ReportStatus
from storage.agent_jobs import once
from storage.audit import record_act
from storage.engine import Database
from storage.tables import reports


class ReportFilter(Struct, frozen=True, kw_only=True):
    """Which reports are asked for; None is any."""

    reporter_id: UserId | None = None
    status: ReportStatus | None = None


class Reports:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def file(
        self, reporter_id: UserId, title: str, content: str, now: datetime, call: CallKey | None = None
    ) -> Report:
        """Once for each `call` of an agent's."""

        def transaction(connection: Connection) -> Report:
            def add() -> Report:
                return add_report(connection, reporter_id, title, content, now)

            return once(connection, call, Report, now, add) or add()

        return await self._database.write(transaction)

    async def find(self, report_id: int) -> Report | None:
        return await self._database.read(lambda connection: load_report(connection, report_id))

    async def list_reports(
        self, wanted: ReportFilter, *, before: int | None = None, skip: int = 0, limit: int = 50
    ) -> list[Report]:
        """Newest first, those before the cursor `before`."""
        query = select(reports).order_by(reports.c.id.desc()).offset(skip).limit(limit)
        if wanted.reporter_id is not None:
            query = query.where(reports.c.reporter_id == wanted.reporter_id)
        if wanted.status is not None:
            query = query.where(reports.c.status == wanted.status)
        if before is not None:
            query = query.where(reports.c.id < before)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_report(row) for row in rows]

    async def edit(
        self, report_id: int, now: datetime, call: CallKey | None = None, **changes: str
    ) -> Report | None:
        """Change `title` and `content` of a report that is open; None when it is not, or is not there.

        Once for each `call` of an agent's: a later change is not undone by repeating it.
        """

        def transaction(connection: Connection) -> Report | None:
            return once(
                connection, call, Report, now, lambda: edit_report(connection, report_id, now, **changes)
            )

        return await self._database.write(transaction)

    async def comment(
        self, report_id: int, doer: Doer, now: datetime, comment: str, status: ReportStatus | None
    ) -> Report | None:
        """In place of an earlier comment; with `status`, it has that from then on. None: no such report."""
        return await self._database.write(lambda c: comment_report(c, report_id, doer, now, comment, status))

    async def resolve(self, report_id: int, doer: Doer, now: datetime, comment: str | None) -> Report | None:
        """None: there is none such. Without a comment, an earlier one stays."""
        return await self._database.write(lambda c: resolve_report(c, report_id, doer, now, comment))


def add_report(
    connection: Connection, reporter_id: UserId, title: str, content: str, now: datetime
) -> Report:
    row = insert(reports).values(
        reporter_id=reporter_id, title=title, content=content, created_at=now, updated_at=now
    )
    return _report(connection.execute(row.returning(*reports.c)).one())


def load_report(connection: Connection, report_id: int) -> Report | None:
    row = connection.execute(select(reports).where(reports.c.id == report_id)).one_or_none()
    return None if row is None else _report(row)


def edit_report(connection: Connection, report_id: int, now: datetime, **changes: str) -> Report | None:
    """In one statement, so that no edit follows the moment at which somebody takes the report up."""
    is_open = (reports.c.id == report_id) & (reports.c.status == "open")
    changed = update(reports).where(is_open).values(**changes, updated_at=now)
    row = connection.execute(changed.returning(*reports.c)).one_or_none()
    return None if row is None else _report(row)


def comment_report(
    connection: Connection,
    report_id: int,
    doer: Doer,
    now: datetime,
    comment: str,
    status: ReportStatus | None = None,
) -> Report | None:
    values: dict[str, Any] = {"comment": comment}
    if status is not None:
        values |= _standing(status, doer, now)
    report = _change(connection, report_id, now, values)
    if report is not None:
        detail = {} if status is None else {"status": status}
        record_act(connection, doer.did("report.commented", "report", report_id, detail), now)
    return report


def resolve_report(
    connection: Connection, report_id: int, doer: Doer, now: datetime, comment: str | None = None
) -> Report | None:
    values = _standing("resolved", doer, now)
    if comment is not None:
        values["comment"] = comment
    report = _change(connection, report_id, now, values)
    if report is not None:
        record_act(connection, doer.did("report.resolved", "report", report_id), now)
    return report


def _standing(status: ReportStatus, doer: Doer, now: datetime) -> dict[str, Any]:
    """A report that is taken up again has not been resolved by anybody."""
    if status != "resolved":
        return {"status": status, "resolved_at": None, "resolved_by": None}
    return {"status": status, "resolved_at": now, "resolved_by": doer.user_id}


def _change(connection: Connection, report_id: int, now: datetime, values: dict[str, Any]) -> Report | None:
    changed = update(reports).where(reports.c.id == report_id).values(**values, updated_at=now)
    row = connection.execute(changed.returning(*reports.c)).one_or_none()
    return None if row is None else _report(row)


def _report(row: Any) -> Report:
    return Report(**{name: getattr(row, name) for name in Report.__struct_fields__})
