"""`parley asyncapi`: prints the description of the WebSocket protocol."""

import argparse

import msgspec

from server.asyncapi import describe
from server.version import version


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "It is what a running server answers at /asyncapi.json."


def run(_: argparse.Namespace) -> int:
    print(msgspec.json.format(msgspec.json.encode(describe(version=version()))).decode())
    return 0
