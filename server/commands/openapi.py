"""`parley openapi`: prints the description of the REST API."""

import argparse

import msgspec

from server.commands.environment import settings_of_environment
from server.descriptions import Descriptions
from server.examples.rest import EXAMPLES
from server.public_urls import own_url
from server.rest.table import ROUTES


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "It is what a running server answers at /openapi.json."


def run(_: argparse.Namespace) -> int:
    document = Descriptions(ROUTES, EXAMPLES, own_url(settings_of_environment())).openapi
    print(msgspec.json.format(bytes(document)).decode())
    return 0
