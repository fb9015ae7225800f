"""Every setting of the server, read once at start from the environment and `.env` into one frozen struct."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from msgspec import Struct
from msgspec.structs import fields
from typing_extensions import override

from protocol.rates import Rate
from server.dotenv import read_dotenv
from server.setting_kinds import (
    BcryptRounds,
    Budget,
    Count,
    DatabaseUrl,
    Domain,
    DomainOrUrl,
    Duration,
    File,
    FrameBytes,
    LogFormat,
    LogLevel,
    MaybeRate,
    MetricsAudience,
    NatsUrl,
    Networks,
    Origins,
    Port,
    Secret,
    SecretKey,
    SettingsError,
    Switch,
    Takes,
    Text,
    WebUrl,
)

__all__ = ["Settings", "SettingsError", "read_settings", "variable_of"]

# Other fields are their variable in lower case; these leave a prefix out that says nothing.
VARIABLES: Final[Mapping[str, str]] = {
    "host": "AI_MESSAGE_HOST",
    "port": "AI_MESSAGE_PORT",
    "domain": "AI_MESSAGE_DOMAIN",
    "ssl_cert": "AI_MESSAGE_SSL_CERT",
    "ssl_key": "AI_MESSAGE_SSL_KEY",
    "logs_folder": "AI_MESSAGE_LOGS_FOLDER",
}
SETS: Final[Mapping[str, tuple[str, ...]]] = {
    "Twilio": ("twilio_account_sid", "twilio_auth_token", "twilio_phone_number"),
    "Auth0": ("auth0_domain", "auth0_api_identifier"),
}
"""What is turned on by several settings together: half of them would be silently off."""


class Settings(Struct, frozen=True, kw_only=True):
    """What an operator decides. Paths are as given: relative ones start where the server was started."""

    database_url: DatabaseUrl = "sqlite:///./backend.db"
    """Where everything is kept: an SQLite file or a PostgreSQL database. `DB_URL` is its other name."""

    host: Text = "0.0.0.0"
    """The address to listen on."""
    port: Port = 8000
    """The port to listen on; 0 takes any that is free."""
    domain: Domain = "localhost"
    """The name people reach this server by, for the URLs it makes where there is no `PUBLIC_URL`."""
    ssl_cert: File = Path("ssl/cert.pem")
    """The certificate chain, PEM. TLS is on when both this and the key exist."""
    ssl_key: File = Path("ssl/key.pem")
    """The certificate's private key, PEM."""
    logs_folder: File = Path("logs")
    """Where the rotating log files are."""

    public_url: WebUrl = ""
    """The URL the outside sees, for links and signatures; empty: the domain's, and each request's own."""
    trusted_proxies: Networks = ()
    """Whose `X-Forwarded-*` headers are believed; empty: nobody's."""
    cors_origins: Origins = ()
    """The origins whose pages may call the API; empty: this server's own pages only."""

    secret_key: SecretKey = ""
    """What tokens are signed with, 32 bytes or more; empty: one is made and kept in the data folder."""
    access_token_minutes: Duration = 30
    """How long an access token is good for, in minutes."""
    refresh_token_days: Duration = 7
    """How long a refresh token is good for, in days."""
    bcrypt_rounds: BcryptRounds = 12
    """The cost of a password's hash: each step doubles it."""
    registration_open: Switch = True
    """Whether people may make accounts themselves."""
    auth0_domain: DomainOrUrl = ""
    """The Auth0 tenant; with its API identifier it turns Auth0 on."""
    auth0_api_identifier: Text = ""
    """The audience that Auth0's tokens must name."""

    max_websocket_connections_per_user: Count = 5
    """Open sockets of one user."""
    max_total_websocket_connections: Count = 1000
    """Open sockets of everybody together."""
    command_rate: MaybeRate = Rate(per_s=20, burst=40)
    """Commands of one user; None: no limit."""
    login_failure_rate: MaybeRate = Rate(per_s=5 / 60, burst=5)
    """Failed logins of one account, and of one address; None: no limit."""
    registration_rate: MaybeRate = Rate(per_s=10 / 60, burst=20)
    """Registrations of one address; None: no limit."""
    max_frame_bytes: FrameBytes = 65536
    """The largest WebSocket message a client may send, in bytes."""
    max_unsent_bytes: Count = 1048576
    """What may wait to be written to one socket before its reader counts as slow, in bytes."""
    upload_max_bytes: Count = 26214400
    """The largest upload, in bytes."""
    data_folder: File = Path("data")
    """Where uploads and the secret key are kept."""

    twilio_account_sid: Text = ""
    """The Twilio account; with its token and number it turns SMS on."""
    twilio_auth_token: Secret = ""
    """The Twilio account's token, which also signs its webhooks."""
    twilio_phone_number: Text = ""
    """The number SMS come from, E.164."""
    twilio_api_url: WebUrl = "https://api.twilio.com"
    """Twilio's API, or a proxy or stand-in of it."""
    telegram_bot_token: Secret = ""
    """The Telegram bot's token; it turns Telegram on."""
    telegram_webhook_secret: Secret = ""
    """What Telegram's webhook must carry."""
    telegram_api_url: WebUrl = "https://api.telegram.org"
    """Telegram's API, or a proxy or stand-in of it."""

    litellm_baseurl: WebUrl = "http://localhost:5678"
    """The model's endpoint."""
    litellm_api_key: Secret = ""
    """The key of the model's endpoint."""
    litellm_model: Text = ""
    """The model's name; empty: agents answer without one."""
    agent_timeout_s: Duration = 120
    """How long an agent may take over one answer, in seconds."""
    agent_concurrency: Count = 8
    """Answers in the making at once, in the whole process."""
    agent_tokens_per_user_day: Budget = 200000
    """Model tokens one user may spend in a day."""
    chat_history_max: Count = 50
    """Messages that an agent remembers of a conversation."""

    webhook_private_addresses: Switch = False
    """Whether outgoing webhooks may go to private, loopback and link-local addresses."""

    nats_url: NatsUrl = ""
    """The NATS servers that would join processes into one chat; must be empty: there is one process only."""
    log_format: LogFormat = "text"
    """How log lines are written."""
    log_level: LogLevel = "info"
    """From which level on lines are logged."""
    metrics: MetricsAudience = "local"
    """Who may read `/metrics`: nobody, local addresses, or all."""

    @override
    def __repr__(self) -> str:
        """Names the struct only: settings hold secrets, and what is printed ends up in logs."""
        return "Settings(…)"


def variable_of(field: str) -> str:
    """The environment variable that a field of `Settings` is read from."""
    return VARIABLES.get(field, field.upper())


def read_settings(environment: Mapping[str, str], dotenv: Path = Path(".env")) -> Settings:
    """The settings of this environment over those of the file. A variable that is empty counts as not set.

    Raises SettingsError for the first that cannot be read, or that does not fit the others.
    """
    given = _with_alias(read_dotenv(dotenv)) | _with_alias(environment)
    values: dict[str, Any] = {
        field: _parsed(variable_of(field), text, takes)
        for field, takes in kinds().items()
        if (text := given.get(variable_of(field), "").strip())
    }
    settings = Settings(**values)
    _check_together(settings)
    return settings


def kinds() -> dict[str, Takes]:
    """What each field of `Settings` takes."""
    hints = get_type_hints(Settings, include_extras=True)
    return {
        field.name: next(item for item in get_args(hints[field.name]) if isinstance(item, Takes))
        for field in fields(Settings)
    }


def _with_alias(variables: Mapping[str, str]) -> dict[str, str]:
    given = {name: text for name, text in variables.items() if text.strip()}
    if "DB_URL" in given:
        given.setdefault("DATABASE_URL", given["DB_URL"])
    return given


def _parsed(variable: str, text: str, takes: Takes) -> object:
    try:
        return takes.parse(text)
    except ValueError:
        raise SettingsError(f"{variable}: got {takes.shown(text)}, takes {takes.words}") from None


def _check_together(settings: Settings) -> None:
    for name, together in SETS.items():
        missing = [variable_of(field) for field in together if not getattr(settings, field)]
        if 0 < len(missing) < len(together):
            raise SettingsError(
                f"{missing[0]}: got nothing, takes a value like the rest of {name}'s settings"
            )
    if settings.nats_url:
        # Two processes that believe they are joined would each serve half of the chat.
        raise SettingsError(
            "NATS_URL: got a value, takes nothing: clustering is not there yet, run one process"
        )
