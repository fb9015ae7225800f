"""The description says where the ids of what was made lead."""

from typing import Any

from server.descriptions import Descriptions
from server.examples.rest import EXAMPLES
from server.rest.table import ROUTES
from server.routing import PLACEHOLDER

PATHS: Any = Descriptions(ROUTES, EXAMPLES).document["paths"]


def links_of(method: str, path: str) -> Any:
    responses = PATHS[path][method]["responses"]
    return next(response["links"] for response in responses.values() if "links" in response)


def test_a_new_channel_leads_to_all_that_may_be_done_with_it() -> None:
    expected = {"operationId": "read_channel", "parameters": {"channel_id": "$response.body#/id"}}
    links = links_of("post", "/channels/")
    assert links["read_channel"] == expected
    assert {"update_channel", "send_channel_message", "list_members", "create_invite"} <= links.keys()
    assert "read_message" not in links


def test_a_first_message_leads_to_itself_and_to_its_conversation() -> None:
    links = links_of("post", "/messages")
    assert links["read_message"]["parameters"] == {"message_id": "$response.body#/id"}
    conversation = {"conversation_id": "$response.body#/conversation_id"}
    assert links["list_conversation_messages"]["parameters"] == conversation


def test_a_message_in_a_channel_leads_to_nothing_that_was_known_before() -> None:
    links = links_of("post", "/channels/{channel_id}/messages")
    assert links["edit_channel_message"]["parameters"] == {
        "channel_id": "$response.body#/channel_id",
        "message_id": "$response.body#/id",
    }
    assert "list_channel_messages" not in links


def test_links_fill_placeholders_that_there_are() -> None:
    placeholders = {route.name: set(PLACEHOLDER.findall(route.path)) for route in ROUTES}
    for operations in PATHS.values():
        for operation in operations.values():
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    assert link["parameters"]
                    assert set(link["parameters"]) <= placeholders[link["operationId"]]
