"""LiteLLM itself, imported with all that it would fetch or report by itself off: seconds and 180 MB."""

import gc
import importlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

LOG: Final = logging.getLogger("orchestrator")

# Read while it is imported: no price lists, headers, news or `.env` files from anywhere.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "CRITICAL",
}
# Counting tokens by itself would fetch tokenizers, and keep the loop from everything else meanwhile.
OPTIONS: Final[Mapping[str, Any]] = {
    "telemetry": False,
    "suppress_debug_info": True,
    "turn_off_message_logging": True,
    "disable_streaming_logging": True,
    "disable_token_counter": True,
    "disable_hf_tokenizer_download": True,
    "drop_params": True,
}
# What its first question would import where everybody waits for it, most of a second.
IMPORTED_LATE: Final = (
    "anyio._backends._asyncio",
    "litellm._service_logger",
    "litellm.litellm_core_utils.streaming_handler",
    "openai.lib.streaming.chat",
    "openai.resources",
)


def import_litellm() -> Any:
    """Import it with all that it would do by itself off. It takes seconds."""
    os.environ.update(ENVIRONMENT)
    with uncollected():
        library = importlib.import_module("litellm")
        for name in IMPORTED_LATE:
            with suppress(ImportError):
                importlib.import_module(name)
    for name, value in OPTIONS.items():
        setattr(library, name, value)
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router", "httpx", "openai"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    LOG.info("the model's library is imported")
    return library


@contextmanager
def uncollected() -> Iterator[None]:
    """What is made here is here to stay: it is never looked through for garbage, now or later.

    Each look would stop the whole process for a tenth of a second and more.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
