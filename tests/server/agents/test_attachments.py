"""Models read what came with a message as text: its name and its link."""

from server.bridges.twilio_inbox import TwilioMessage
from server.forms import form_of
from tests.server.agents.asking import LITELLM_WARNS, Agents
from tests.server.bridges.texting import incoming
from tests.stand_ins.openai import OpenAI

ANNS = "+15005550001"
LINK = "https://api.twilio.com/a"
PICTURE = {"NumMedia": "1", "MediaUrl0": LINK, "MediaContentType0": "image/jpeg"}
SHOWN = f"image-1.jpeg: {LINK}"

pytestmark = LITELLM_WARNS


async def test_a_picture_is_read_with_its_message_or_alone_and_remembered(
    agents: Agents, model: OpenAI
) -> None:
    ann = await agents.home.person("ann")
    await ann.put("/auth/me/phone", {"phone_number": ANNS})
    async with agents.listening(ann) as talk:
        for body, media in (("look", PICTURE), ("", PICTURE), ("And?", {})):
            form = incoming(ANNS, body, **media)
            await agents.home.context.bridges.twilio.receive(form_of(form, TwilioMessage), form)
            (channel_id,) = {each["channel_id"] for each in (await ann.get("/messages"))["items"]}
            await agents.answer_in(talk, channel_id)
    asked = [each["content"] for each in model.requests[-1]["messages"] if each["role"] == "user"]
    assert asked == [f"look\n{SHOWN}", SHOWN, "And?"]
