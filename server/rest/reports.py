"""Reports: people file them, superusers answer and resolve them."""

from typing import Final

from protocol.errors import Code
from protocol.report_fields import ReportText, ReportTitle
from protocol.resources import Report, ReportStatus
from server.calls import Call
from server.fields import AReportId, AUserId, In
from server.paging import Page, PageQuery, page_of, read_cursor
from server.routing import Routes
from storage.reports import ReportFilter

reports = Routes("Reports")

OWN_REFUSALS: Final = (Code.NOT_FOUND, Code.FORBIDDEN, Code.CONFLICT)


class ReportCreate(In, frozen=True, kw_only=True):
    title: ReportTitle
    content: ReportText


class ReportUpdate(In, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    title: ReportTitle | None = None
    content: ReportText | None = None


class ReportComment(In, frozen=True, kw_only=True):
    """Takes the place of an earlier comment. Without `status` the report keeps the one it has."""

    comment: ReportText
    status: ReportStatus | None = None


class ReportResolve(In, frozen=True, kw_only=True):
    """Without a comment, an earlier one stays."""

    comment: ReportText | None = None


class ReportQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: ReportStatus | None = None


class AllReportsQuery(ReportQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reporter_id: AUserId | None = None


@reports.post("/reports", status=201, spends_budget=True, pays_first=True)
async def file_report(call: Call, body: ReportCreate) -> Report:
    """Report something to those who run this server."""
    return await call.context.reports.file(call.identity, body.title, body.content)


@reports.get("/reports")
async def list_reports(call: Call, query: ReportQuery) -> Page[Report]:
    """List your reports, newest first."""
    before = read_cursor(query.cursor, AReportId)
    found = await call.context.reports.list_own(
        call.identity, query.status, before=before, skip=query.skip, limit=query.size + 1
    )
    return page_of(found, query.size, lambda report: report.id)


@reports.get("/reports/admin/all", access="superuser")
async def list_all_reports(call: Call, query: AllReportsQuery) -> Page[Report]:
    """List everybody's reports, newest first."""
    wanted = ReportFilter(reporter_id=query.reporter_id, status=query.status)
    before = read_cursor(query.cursor, AReportId)
    found = await call.context.reports.list_all(
        call.identity, wanted, before=before, skip=query.skip, limit=query.size + 1
    )
    return page_of(found, query.size, lambda report: report.id)


@reports.get("/reports/{report_id}", refuses=(Code.NOT_FOUND,))
async def read_report(call: Call, report_id: AReportId) -> Report:
    """Read a report, as its reporter or a superuser."""
    return await call.context.reports.show(call.identity, report_id)


@reports.put("/reports/{report_id}", refuses=OWN_REFUSALS)
async def update_report(call: Call, report_id: AReportId, body: ReportUpdate) -> Report:
    """Change your report while it is open."""
    return await call.context.reports.update(call.identity, report_id, title=body.title, content=body.content)


@reports.post("/reports/{report_id}/comment", access="superuser", refuses=(Code.NOT_FOUND,))
async def comment_on_report(call: Call, report_id: AReportId, body: ReportComment) -> Report:
    """Answer a report, and say how far it has got; its reporter is told."""
    desk = call.context.reports
    return await desk.comment(call.identity, call.doer, report_id, body.comment, body.status)


@reports.put("/reports/{report_id}/resolve", access="superuser", refuses=(Code.NOT_FOUND,))
async def resolve_report(call: Call, report_id: AReportId, body: ReportResolve | None) -> Report:
    """Say that a report is dealt with; its reporter is told."""
    comment = body.comment if body is not None else None
    return await call.context.reports.resolve(call.identity, call.doer, report_id, comment)
