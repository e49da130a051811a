"""Reads lines of Apache's formats by `apachelogs`, and prints one JSON array a line.

Usage: read_apache.py FORMAT < LINES

Each array has the epoch second, client, site, method, path with query, status, bytes, latency in
milliseconds, referer and user agent, and null for what is not there.
"""

import json
import sys

from apachelogs import LogParser


def latency(entry):
    """Milliseconds of the most exact directive that the format has."""
    directives = entry.directives
    for directive, factor in (
        ("%D", 1e-3),
        ("%{us}T", 1e-3),
        ("%{ms}T", 1.0),
        ("%T", 1e3),
    ):
        if directives.get(directive) is not None:
            return directives[directive] * factor
    return None


def row(entry):
    request = (entry.request_line or "").split(" ")
    method, target = (request + ["", ""])[:2]
    headers = getattr(entry, "headers_in", {})
    size = entry.bytes_sent if hasattr(entry, "bytes_sent") else getattr(entry, "bytes_out", None)
    return [
        int(entry.request_time.timestamp()),
        entry.remote_host,
        getattr(entry, "virtual_host", None),
        method,
        target,
        entry.final_status if hasattr(entry, "final_status") else entry.status,
        size,
        latency(entry),
        headers.get("Referer"),
        headers.get("User-Agent"),
    ]


def main():
    parser = LogParser(sys.argv[1], encoding="utf-8")
    for line in sys.stdin:
        print(json.dumps(row(parser.parse(line.rstrip("\n")))))


main()
