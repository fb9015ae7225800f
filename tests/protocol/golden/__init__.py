"""Golden vectors: what every command and event looks like on the wire, byte for byte, in both encodings.

`python -m tests.protocol.golden` writes `vectors.json` from `examples.py`. A change in it is a change of the
protocol, and belongs into `docs/protocol.md` and the changelog.
"""
