"""No text of a request may hold a NUL character: the description says so wherever no pattern says more."""

from typing import Any, Final

Document = dict[str, Any]

WITHOUT_NUL: Final = r"^[^\u0000]*$"
_SAY_MORE: Final = frozenset({"pattern", "enum", "const", "format", "contentMediaType"})


def refuse_nul_in_requests(document: Document) -> None:
    """Add the pattern to all that the document's operations take."""
    seen: set[str] = set()
    for path in document["paths"].values():
        for operation in path.values():
            taken = [operation.get("requestBody", {}), operation.get("parameters", [])]
            _refuse_nul(taken, document["components"]["schemas"], seen)


def _refuse_nul(node: Any, schemas: Document, seen: set[str]) -> None:
    if isinstance(node, list):
        for each in node:
            _refuse_nul(each, schemas, seen)
    if not isinstance(node, dict):
        return
    if node.get("type") == "string" and not _SAY_MORE & node.keys():
        node["pattern"] = WITHOUT_NUL
    name = str(node.get("$ref", "")).rpartition("/")[2]
    if name and name not in seen:
        seen.add(name)
        _refuse_nul(schemas[name], schemas, seen)
    for each in list(node.values()):
        _refuse_nul(each, schemas, seen)
