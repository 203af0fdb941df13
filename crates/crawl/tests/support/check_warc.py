"""Reads WARC files with warcio and fastwarc and prints a line of JSON for each response.

Ends with an error if one of them finds a fault, or if they do not read the same."""

import base64
import json
import subprocess
import sys

from fastwarc.warc import ArchiveIterator as FastIterator
from warcio.archiveiterator import ArchiveIterator

for path in sys.argv[1:]:
    check = [sys.executable, "-m", "warcio.cli", "check", "-v", path]
    check = subprocess.run(check, capture_output=True, text=True)
    faults = [line for line in check.stdout.splitlines() if "fail" in line.lower() or "error" in line.lower()]
    if check.returncode != 0 or faults or "digest pass" not in check.stdout:
        sys.exit(f"warcio check: {path}: {check.stdout}{check.stderr}")
    seen, fast = [], []
    with open(path, "rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            # Of the content as it is in the file: codings on.
            body = record.raw_stream.read()
            head = record.http_headers
            seen.append((record.rec_type, record.rec_headers.get_header("WARC-Target-URI"), body))
            if record.rec_type == "response":
                print(json.dumps({
                    "address": record.rec_headers.get_header("WARC-Target-URI"),
                    "truncated": record.rec_headers.get_header("WARC-Truncated"),
                    "peer": record.rec_headers.get_header("WARC-IP-Address"),
                    "status": head.statusline,
                    "fields": head.headers,
                    "body": base64.b64encode(body).decode(),
                }))
    with open(path, "rb") as file:
        for record in FastIterator(file, parse_http=False):
            if not record.verify_block_digest():
                sys.exit(f"fastwarc: {path}: block digest of {record.record_id}")
    with open(path, "rb") as file:
        for record in FastIterator(file, parse_http=True):
            kind = record.headers.get("WARC-Type")
            if kind == "response" and not record.verify_payload_digest():
                sys.exit(f"fastwarc: {path}: payload digest of {record.record_id}")
            fast.append((kind, record.headers.get("WARC-Target-URI"), record.reader.read()))
    if seen != fast:
        sys.exit(f"{path}: warcio reads {seen}, fastwarc {fast}")
