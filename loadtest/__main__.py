"""`python -m loadtest`: the harness without the server's command line."""

import argparse
import sys

from loadtest.options import configure, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest")
    configure(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
