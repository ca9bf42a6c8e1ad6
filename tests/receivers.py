"""A local server that answers as the Telegram Bot API and as a webhook do, and remembers what it was told."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

__all__ = ["Receiver", "receiver"]

BOT_TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9"


@dataclass(frozen=True, slots=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers 200 unless told otherwise."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        """To give first, each once: status, body, headers."""
        self.came = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.came:
                    outer.heard.append(Heard(self.path, dict(self.headers), body))
                    told = outer.answers.pop(0) if outer.answers else None
                    outer.came.notify_all()
                status, said, headers = told or outer.usual(self.path, json.loads(body))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @staticmethod
    def usual(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        """What the Bot API says to `sendMessage`; anything else is a webhook."""
        if not path.startswith("/bot"):
            return 200, {}, {}
        if path != f"/bot{BOT_TOKEN}/sendMessage":
            return 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}, {}
        if not body.get("text") or len(body["text"]) > 4096:
            return 400, {"ok": False, "error_code": 400, "description": "Bad Request: message text is empty"}, {}
        return 200, {"ok": True, "result": {"message_id": 1, "chat": {"id": body["chat_id"]}, "text": body["text"]}}, {}

    def wait(self, n: int, seconds: float = 20.0) -> list[Heard]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.heard) >= n, seconds), f"heard {len(self.heard)} of {n}"
            return list(self.heard)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One for each test."""
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
