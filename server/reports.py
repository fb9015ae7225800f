"""What people may do with reports, the same over every way in: the routes, and agents for whoever asks them.

Who may see a report: its reporter and superusers; to others there is no such report.
"""

import logging
from typing import Final

from actors.channel_commands import Identity
from actors.chat import Chat
from actors.ports import Clock
from protocol.agents import CallKey
from protocol.audit import Doer
from protocol.errors import Code, Refusal, Refused
from protocol.resources import Report, ReportStatus
from storage.reports import ReportFilter, Reports

LOG: Final = logging.getLogger("reports")

NO_REPORT: Final = Refusal(Code.NOT_FOUND, "There is no such report of yours.")
NOT_YOURS: Final = Refusal(Code.FORBIDDEN, "Only its reporter may change a report.")
NOT_OPEN: Final = Refusal(Code.CONFLICT, "The report is not open any more: file another one.")
SUPERUSERS_ONLY: Final = Refusal(Code.FORBIDDEN, "Only a superuser may do this.")


class ReportDesk:
    """Each method takes who acts, answers the report as it is then, and raises Refused."""

    def __init__(self, reports: Reports, chat: Chat, clock: Clock) -> None:
        self._reports = reports
        self._chat = chat
        self._clock = clock

    async def file(self, by: Identity, title: str, content: str, call: CallKey | None = None) -> Report:
        """Once for each `call` of an agent's."""
        report = await self._reports.file(by.user_id, title, content, self._clock.now(), call)
        return self._tell("filed", by, report)

    async def show(self, by: Identity, report_id: int) -> Report:
        report = await self._reports.find(report_id)
        if report is None or not may_see(by, report):
            raise Refused(NO_REPORT)
        return report

    async def list_own(
        self,
        by: Identity,
        status: ReportStatus | None = None,
        *,
        before: int | None = None,
        skip: int = 0,
        limit: int = 50,
    ) -> list[Report]:
        """Newest first, those before the cursor `before`."""
        wanted = ReportFilter(reporter_id=by.user_id, status=status)
        return await self._reports.list_reports(wanted, before=before, skip=skip, limit=limit)

    async def list_all(
        self,
        by: Identity,
        wanted: ReportFilter | None = None,
        *,
        before: int | None = None,
        skip: int = 0,
        limit: int = 50,
    ) -> list[Report]:
        """Everybody's, for superusers: newest first, those before the cursor `before`."""
        _only_superusers(by)
        return await self._reports.list_reports(
            wanted or ReportFilter(), before=before, skip=skip, limit=limit
        )

    async def update(
        self,
        by: Identity,
        report_id: int,
        *,
        title: str | None = None,
        content: str | None = None,
        call: CallKey | None = None,
    ) -> Report:
        """Its reporter may change it while it is open. What is None stays as it is.

        Once for each `call` of an agent's.
        """
        report = await self.show(by, report_id)
        if report.reporter_id != by.user_id:
            raise Refused(NOT_YOURS)
        given = {"title": title, "content": content}
        changes = {name: value for name, value in given.items() if value is not None}
        if not changes:
            return report
        changed = await self._reports.edit(report_id, self._clock.now(), call, **changes)
        if changed is None:
            raise Refused(NOT_OPEN)
        return self._tell("changed", by, changed)

    async def comment(
        self, by: Identity, doer: Doer, report_id: int, comment: str, status: ReportStatus | None = None
    ) -> Report:
        """For superusers. `doer` is who the audit log names: the one who acts, with their address."""
        _only_superusers(by)
        report = await self._reports.comment(report_id, doer, self._clock.now(), comment, status)
        return self._tell("commented", by, _found(report))

    async def resolve(self, by: Identity, doer: Doer, report_id: int, comment: str | None = None) -> Report:
        """For superusers. Resolving again makes the later one the resolver."""
        _only_superusers(by)
        report = await self._reports.resolve(report_id, doer, self._clock.now(), comment)
        return self._tell("resolved", by, _found(report))

    def _tell(self, done: str, by: Identity, report: Report) -> Report:
        """The log, and the reporter's sockets."""
        LOG.info("%s", done, extra={"report_id": report.id, "user_id": by.user_id, "status": report.status})
        self._chat.report_changed(report)
        return report


def may_see(by: Identity, report: Report) -> bool:
    return by.is_superuser or report.reporter_id == by.user_id


def _only_superusers(by: Identity) -> None:
    if not by.is_superuser:
        raise Refused(SUPERUSERS_ONLY)


def _found(report: Report | None) -> Report:
    if report is None:
        raise Refused(NO_REPORT)
    return report
