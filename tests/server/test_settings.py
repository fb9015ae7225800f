import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.rates import Rate
from server.settings import Settings, SettingsError, read_settings, variable_of

NOWHERE = Path("/nonexistent/.env")
EXAMPLE = Path(__file__).parents[2] / ".env.example"
LONG_KEY = "k" * 32
POSTGRES = "postgresql://ann:pw@db/chat?sslmode=require"


def read(**environment: str) -> Settings:
    return read_settings(environment, NOWHERE)


def refusal(**environment: str) -> str:
    with pytest.raises(SettingsError) as raised:
        read(**environment)
    return str(raised.value)


def test_nothing_given_gives_the_defaults_of_the_contract() -> None:
    settings = read()
    assert settings == Settings()
    assert settings.database_url == "sqlite:///./backend.db"
    assert (settings.host, settings.port) == ("0.0.0.0", 8000)
    assert settings.command_rate == Rate(per_s=20, burst=40)
    assert settings.login_failure_rate == Rate(per_s=5 / 60, burst=5)
    assert settings.registration_rate == Rate(per_s=10 / 60, burst=20)
    assert settings.max_unsent_bytes == 1_048_576
    assert settings.bcrypt_rounds == 12


def test_settings_cannot_be_changed() -> None:
    assert Settings.__struct_config__.frozen


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("AI_MESSAGE_HOST", " 127.0.0.1 ", "host", "127.0.0.1"),
        ("AI_MESSAGE_PORT", "0", "port", 0),
        ("AI_MESSAGE_SSL_CERT", "/etc/tls/chat.pem", "ssl_cert", Path("/etc/tls/chat.pem")),
        ("AI_MESSAGE_LOGS_FOLDER", "../logs", "logs_folder", Path("../logs")),
        ("DATABASE_URL", POSTGRES, "database_url", POSTGRES),
        ("DATABASE_URL", "sqlite:////c.db", "database_url", "sqlite:////c.db"),
        ("AI_MESSAGE_DOMAIN", "Chat.Example.org", "domain", "chat.example.org"),
        ("PUBLIC_URL", "https://chat.example.org/", "public_url", "https://chat.example.org"),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8, ::1",
            "trusted_proxies",
            (ip_network("10.0.0.0/8"), ip_network("::1")),
        ),
        ("CORS_ORIGINS", "*", "cors_origins", ("*",)),
        (
            "CORS_ORIGINS",
            "https://A.example.org, http://localhost:5173/,",
            "cors_origins",
            ("https://a.example.org", "http://localhost:5173"),
        ),
        ("SECRET_KEY", LONG_KEY, "secret_key", LONG_KEY),
        ("ACCESS_TOKEN_MINUTES", "0.5", "access_token_minutes", 0.5),
        ("BCRYPT_ROUNDS", "4", "bcrypt_rounds", 4),
        ("BCRYPT_ROUNDS", "16", "bcrypt_rounds", 16),
        ("REGISTRATION_OPEN", "No", "registration_open", False),
        ("REGISTRATION_OPEN", "1", "registration_open", True),
        ("COMMAND_RATE", "off", "command_rate", None),
        ("COMMAND_RATE", "3/h:7", "command_rate", Rate(per_s=3 / 3600, burst=7)),
        ("COMMAND_RATE", "86400/day:1", "command_rate", Rate(per_s=1, burst=1)),
        ("AGENT_TOKENS_PER_USER_DAY", "0", "agent_tokens_per_user_day", 0),
        ("LOG_FORMAT", "JSON", "log_format", "json"),
        ("LOG_LEVEL", "Warning", "log_level", "warning"),
        ("METRICS", "nobody", "metrics", "nobody"),
        ("METRICS", "off", "metrics", "nobody"),
    ],
)
def test_a_variable_is_read_into_its_field(variable: str, text: str, field: str, value: Any) -> None:
    assert getattr(read(**{variable: text}), field) == value


@pytest.mark.parametrize(
    ("variable", "text", "takes"),
    [
        ("AI_MESSAGE_PORT", "65536", "a port from 0 to 65535"),
        ("AI_MESSAGE_PORT", "http", "a port from 0 to 65535"),
        ("BCRYPT_ROUNDS", "3", "a whole number from 4 to 16"),
        ("BCRYPT_ROUNDS", "17", "a whole number from 4 to 16"),
        ("MAX_TOTAL_WEBSOCKET_CONNECTIONS", "0", "a whole number from 1"),
        ("AGENT_TOKENS_PER_USER_DAY", "-1", "a whole number from 0"),
        ("MAX_FRAME_BYTES", "12.5", "a whole number of bytes from 1024"),
        ("AGENT_TIMEOUT_S", "0", "a number above 0"),
        ("AGENT_TIMEOUT_S", "nan", "a number above 0"),
        ("REFRESH_TOKEN_DAYS", "inf", "a number above 0"),
        ("REGISTRATION_OPEN", "maybe", "true or false"),
        ("AI_MESSAGE_DOMAIN", "https://chat.example.org", "a domain such as chat.example.org"),
        ("AI_MESSAGE_DOMAIN", "chat.example.org:8000", "a domain such as chat.example.org"),
        ("PUBLIC_URL", "chat.example.org", "a URL that starts with http:// or https://"),
        ("PUBLIC_URL", "http://host:port", "a URL that starts with http:// or https://"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "addresses or networks such as 10.0.0.0/8, with commas between"),
        (
            "CORS_ORIGINS",
            "https://a.example/path",
            "origins such as https://example.org, with commas between, or *",
        ),
        (
            "CORS_ORIGINS",
            "file://x",
            "origins such as https://example.org, with commas between, or *",
        ),
        ("AUTH0_DOMAIN", "ftp://x", "a domain, or a URL that starts with http:// or https://"),
        ("LOG_FORMAT", "xml", "text or json"),
        ("LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("METRICS", "everybody", "nobody, local or all"),
        *(
            ("COMMAND_RATE", text, "count/unit:burst with unit s, min, h or day, for example 20/s:40, or off")
            for text in ["20", "20/s", "0/s:1", "1/s:0", "1/week:1", "-1/s:1"]
        ),
    ],
)
def test_a_bad_value_is_refused_with_its_name_what_it_is_and_what_it_should_be(
    variable: str, text: str, takes: str
) -> None:
    assert refusal(**{variable: text}) == f"{variable}: got '{text}', takes {takes}"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SECRET_KEY", "hunter2"),
        ("DATABASE_URL", "mysql://ann:hunter2@db/chat"),
        ("DATABASE_URL", "hunter2"),
        ("DATABASE_URL", "sqlite://"),
        ("NATS_URL", "http://ann:hunter2@nats"),
    ],
)
def test_a_refusal_shows_of_a_secret_only_its_length(variable: str, text: str) -> None:
    message = refusal(**{variable: text})
    assert message.startswith(f"{variable}: got {len(text)} bytes, takes ")
    assert "hunter2" not in message


def test_settings_shown_show_no_secret() -> None:
    settings = read(SECRET_KEY=LONG_KEY, DATABASE_URL="postgresql://ann:hunter2@db/chat")
    assert LONG_KEY not in f"{settings!r} {settings}"
    assert "hunter2" not in f"{settings!r} {settings}"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read(AI_MESSAGE_PORT="", SECRET_KEY=" ", DATABASE_URL="") == Settings()


def test_the_database_has_a_second_name_that_yields_to_the_first() -> None:
    assert read(DB_URL="sqlite:///a.db").database_url == "sqlite:///a.db"
    assert read(DB_URL="sqlite:///a.db", DATABASE_URL="sqlite:///b.db").database_url == "sqlite:///b.db"
    assert read(DB_URL="sqlite:///a.db", DATABASE_URL="").database_url == "sqlite:///a.db"


def test_the_environment_wins_over_the_file_whichever_name_it_uses(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("DATABASE_URL=sqlite:///file.db\nAI_MESSAGE_PORT=1\nAI_MESSAGE_DOMAIN=file.example\n")
    settings = read_settings({"DB_URL": "sqlite:///env.db", "AI_MESSAGE_PORT": "2"}, dotenv)
    assert settings.database_url == "sqlite:///env.db"
    assert settings.port == 2
    assert settings.domain == "file.example"


TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "secret",
    "TWILIO_PHONE_NUMBER": "+15550100",
}


AUTH0 = {"AUTH0_DOMAIN": "tenant.example.org", "AUTH0_API_IDENTIFIER": "https://chat.example.org"}


@pytest.mark.parametrize(
    ("missing", "whole", "name"),
    [*((each, TWILIO, "Twilio") for each in TWILIO), *((each, AUTH0, "Auth0") for each in AUTH0)],
)
def test_half_a_set_is_an_error_that_names_what_is_missing(
    missing: str, whole: dict[str, str], name: str
) -> None:
    given = {variable: text for variable, text in whole.items() if variable != missing}
    assert refusal(**given) == f"{missing}: got nothing, takes a value like the rest of {name}'s settings"


def test_a_whole_set_is_taken() -> None:
    assert read(**TWILIO).twilio_phone_number == "+15550100"
    assert read(**AUTH0).auth0_domain == "tenant.example.org"
    assert read(**AUTH0 | {"AUTH0_DOMAIN": "http://127.0.0.1:9/"}).auth0_domain == "http://127.0.0.1:9"
    assert read(**AUTH0).auth0_api_identifier == "https://chat.example.org"


def test_processes_that_nothing_joins_do_not_start() -> None:
    words = refusal(NATS_URL="nats://127.0.0.1:4222", DATABASE_URL="postgresql://db/chat")
    assert words == "NATS_URL: got a value, takes nothing: clustering is not there yet, run one process"


def test_the_example_names_every_variable_once_with_its_default(tmp_path: Path) -> None:
    lines = re.findall(r"^#([A-Z0-9_]+=.*)$", EXAMPLE.read_text(), re.MULTILINE)
    names = [line.partition("=")[0] for line in lines]
    assert sorted(names) == sorted(variable_of(field) for field in Settings.__struct_fields__)
    dotenv = tmp_path / ".env"
    dotenv.write_text("\n".join(lines))
    assert msgspec.structs.asdict(read_settings({}, dotenv)) == msgspec.structs.asdict(Settings())


def test_every_setting_is_explained_in_place() -> None:
    source = Path(__file__).parents[2].joinpath("server", "settings.py").read_text()
    for field in Settings.__struct_fields__:
        assert re.search(rf'^    {field}: .*\n    """.+"""$', source, re.MULTILINE), field
