"""`GET /metrics`, for those whom the setting `METRICS` lets read it."""

from protocol.errors import Code, Refused
from server.addresses import is_local
from server.calls import Call
from server.metrics import CONTENT_TYPE
from server.middleware import NO_SUCH_PATH
from server.routing import Routes

metrics = Routes("Status")


@metrics.get(
    "/metrics",
    access="anyone",
    media_type="text/plain",
    refuses=(Code.NOT_FOUND,),
    example="# TYPE parley_connections gauge\nparley_connections 12.0\n",
)
async def read_metrics(call: Call) -> str:
    """Read the server's numbers, in Prometheus' text format.

    The setting `METRICS` says who may: local addresses, all, or nobody.
    """
    match call.context.settings.metrics:
        case "nobody":
            raise Refused(NO_SUCH_PATH)
        case "local" if not is_local(call.origin.address) or call.is_forwarded_by_a_stranger:
            raise Refused(NO_SUCH_PATH)
    call.say("Content-Type", CONTENT_TYPE)
    return (await call.context.metrics.text()).decode()
