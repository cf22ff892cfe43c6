"""A proxy before a real server that writes down what was asked of it: its list outlives a client that is killed."""

from __future__ import annotations

import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
UPSTREAM_SECONDS = 300


class CountingProxy:
    """Answers at `base` as the server at `target` does; `asked` holds method, path, query and body of each request.

    The server sees the name under which it was asked for, so that its links lead back here.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._upstream = (str(parts.hostname), int(parts.port or 80))
        self.asked: list[str] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """The list is kept elsewhere."""

            def handle_any(self) -> None:
                proxy.relay(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 -- the base class's names

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: Any) -> None:
                """A client that was killed in the middle of an answer is what this server is for."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}{parts.path}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)

    def taken(self) -> list[str]:
        """What was asked since the last time."""
        with self._lock:
            found, self.asked = self.asked, []
        return found

    def relay(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        with self._lock:
            self.asked.append(f"{handler.command} {handler.path} {body.decode()}".strip())
        upstream = http.client.HTTPConnection(*self._upstream, timeout=UPSTREAM_SECONDS)
        try:
            upstream.connect()
            upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            headers = {name: value for name, value in handler.headers.items() if name.lower() != "connection"}
            upstream.request(handler.command, handler.path, body or None, headers)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        handler.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
