"""What is said to a model and what it says, as LiteLLM has them: OpenAI's chat completions."""

from collections.abc import Sequence
from typing import Any, Final

from actors.agents.ports import ModelFailed, Said
from protocol.agents import Completion, ToolRequest, Used, estimated_tokens
from server.model_pipe import Failure, Offer

RETRYABLE: Final = frozenset({408, 409, 425, 429})
TEXT_MAX_CHARS: Final = 64_000
"""How much a model may say, and want tools told, in all: what goes on for ever is cut off."""
TOKENS_MAX: Final = 1 << 30
"""An endpoint that tells of more is not believed."""
PAUSE_MAX_S: Final = 86_400.0


class CompletionInTheMaking:
    """Gathers a completion from the chunks of a stream."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._requests: dict[int, list[str]] = {}
        self._usage: Any = None
        self._chars = 0
        self._thought_chars = 0

    @property
    def used(self) -> Used:
        """What it has cost so far. What the endpoint did not tell is 0 for what it read, else estimated."""
        written = estimated_tokens(self._chars + self._thought_chars)
        return Used(self._told("prompt_tokens"), self._told("completion_tokens") or written)

    def add(self, chunk: Any) -> str:
        """The text that it adds. Raises ModelFailed when it is too much."""
        self._usage = getattr(chunk, "usage", None) or self._usage
        delta = chunk.choices[0].delta if chunk.choices else None
        self._thought_chars += len(getattr(delta, "reasoning_content", None) or "")
        for part in getattr(delta, "tool_calls", None) or ():
            self._add_request(part)
        text = clean(getattr(delta, "content", None) or "")
        self._text.append(text)
        self._count(text)
        return text

    def finish(self) -> Completion:
        """Raises ModelFailed when nothing was said: an endpoint that is no model answers so."""
        text = "".join(self._text)
        requests = tuple(ToolRequest(*parts) for _, parts in sorted(self._requests.items()) if parts[1])
        if not text.strip() and not requests:
            raise ModelFailed("it said nothing", is_retryable=True)
        return Completion(text, requests, self.used.tokens_in, self.used.tokens_out)

    def _told(self, name: str) -> int:
        tokens = getattr(self._usage, name, 0)
        return tokens if isinstance(tokens, int) and 0 < tokens < TOKENS_MAX else 0

    def _add_request(self, part: Any) -> None:
        index = part.index or 0
        parts = self._requests.setdefault(index, [f"call_{index}", "", ""])
        if part.id:
            parts[0] = clean(part.id)
        parts[1] += clean(part.function.name or "")
        parts[2] += clean(part.function.arguments or "")
        self._count(part.function.arguments or "")

    def _count(self, text: str) -> None:
        self._chars += len(text)
        if self._chars > TEXT_MAX_CHARS:
            raise ModelFailed("it says more than anybody takes", is_retryable=False)


def provider_of(model: str, providers: Sequence[Any]) -> str | None:
    """Whose protocol is spoken: OpenAI's; None: that of the provider whom the model's name begins with."""
    prefix, slash, _ = model.partition("/")
    known = {str(getattr(provider, "value", provider)) for provider in providers}
    return None if slash and prefix in known else "openai"


def in_openai(said: Said) -> dict[str, Any]:
    """One message as chat completions take it."""
    message: dict[str, Any] = {"role": said.role, "content": said.text}
    if said.requests:
        message["content"] = said.text or None
        message["tool_calls"] = [
            {
                "id": request.id,
                "type": "function",
                "function": {"name": request.name, "arguments": request.arguments or "{}"},
            }
            for request in said.requests
        ]
    if said.answers is not None:
        message["tool_call_id"] = said.answers
    return message


def tool_in_openai(offer: Offer) -> dict[str, Any]:
    function = {"name": offer.name, "description": offer.description, "parameters": offer.schema}
    return {"type": "function", "function": function}


def failure_of(error: Exception) -> Failure:
    """What was raised, as what it means: asking again helps unless the request itself was refused."""
    if isinstance(error, ModelFailed):
        return Failure(str(error), error.is_retryable, error.after_s)
    status = getattr(error, "status_code", None)
    is_refused = isinstance(status, int) and 400 <= status < 500 and status not in RETRYABLE
    reason = f"{type(error).__name__}: {error}".partition("\n")[0][:500]
    return Failure(clean(reason), not is_refused, asked_pause_s(error))


def asked_pause_s(error: Exception) -> float | None:
    """How long the endpoint asks us to wait, in whole seconds; dates are not understood."""
    for source in (getattr(error, "litellm_response_headers", None), _response_headers(error)):
        asked = str(source.get("retry-after", "")).strip() if source is not None else ""
        if asked.isdecimal():
            return min(float(asked), PAUSE_MAX_S)
    return None


def clean(text: str) -> str:
    """Without what the databases cannot keep: NUL, and surrogates that stand alone."""
    return (
        text.replace("\0", "").encode("utf-8", "replace").decode()
        if not text.isascii() or "\0" in text
        else text
    )


def _response_headers(error: Exception) -> Any:
    return getattr(getattr(error, "response", None), "headers", None)
