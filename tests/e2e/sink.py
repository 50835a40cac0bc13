"""A webhook receiver for tests: appends the time and body of each notice to a file. `python sink.py PORT FILE`."""

from __future__ import annotations

import http.server
import json
import sys
import time


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 1 << 20)))
        with open(sys.argv[2], "a", encoding="utf-8") as file:
            file.write(json.dumps({"at": time.time(), "title": body.get("title"), "body": body.get("message")}) + "\n")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
