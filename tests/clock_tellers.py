"""A local server that tells a time of the test's choice."""

import email.utils
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

__all__ = ["Teller", "teller"]


class Teller:
    """Tells the time that it is given, and nothing else: every question is refused."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.n_asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                outer.n_asked += 1
                self.send_response_only(403)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/clock"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def tell(self, moment_s: float, **more: str) -> None:
        self.headers = {"Date": email.utils.formatdate(moment_s, usegmt=True), **more}


@pytest.fixture
def teller() -> Iterator[Teller]:
    made = Teller()
    yield made
    made.server.shutdown()
    made.server.server_close()
