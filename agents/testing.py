"""A chat server for tests: real HTTP on this machine, the OpenAI chat-completions protocol, and its failures on demand.

It runs in a thread on a free port of the loopback address. Requests are checked as strictly as a real server checks
them: a picture that is no JPEG, an unknown role or a missing field is answered by 400.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final

import cv2
import numpy as np

__all__ = ["MODES", "ChatServer", "cite_first", "evidence_rows", "pictures_of"]

MODES: Final = (
    "normal",  # answers
    "fenced",  # answers inside a ```json block
    "prose",  # the same, with words before and after it
    "cut",  # the answer ends after half of its text, because of the limit of tokens
    "spent",  # no answer at all, because of it
    "blind",  # 500 for a request with a picture, as servers of models that see none have it
    "parts",  # the message's content is a list of parts
    "slow",  # answers after `delay_s`
    "drip",  # one byte each tenth of a second: no single read times out
    "error_once",  # 500, then answers
    "error",  # 500 always
    "limited",  # 429 with Retry-After, then answers
    "refused",  # 401 always
    "nonsense",  # a chat completion whose text is no JSON
    "nonsense_once",  # the same, then answers
    "html",  # 200 with a web page
    "truncated",  # a body that ends before its length
    "broken_json",  # a body of the right length that is half an object
    "closed",  # the connection is reset without an answer
    "closed_once",  # the same, then answers
    "huge",  # more bytes than any answer has
    "empty",  # a chat completion with an empty message
)
_NONSENSE = "I think the mug is red, but who can say?"


class ChatServer:
    """A chat server in a thread; use it in a `with` statement.

    Args:
        mode: One of `MODES`.
        answer: Makes the model's text from the request's messages; by default `cite_first`.
        delay_s: Pause of the mode "slow".
        retry_after_s: What the mode "limited" asks for.
        api_key: What requests must carry; None to accept any.
        refuses: Fields of a request, and types of its `response_format`, that are answered by 400.

    Attributes:
        requests: Bodies of all requests so far, in the order of their arrival.

    Example:
        >>> from placecell.agents.chat_client import ChatClient
        >>> with ChatServer(answer=lambda messages: "hello") as server:
        ...     ChatClient(server.base_url, "any").complete([{"role": "user", "content": "hi"}])
        'hello'
    """

    def __init__(
        self,
        mode: str = "normal",
        answer: Callable[[list[dict[str, Any]]], str] | None = None,
        delay_s: float = 1.0,
        retry_after_s: float = 0.2,
        api_key: str | None = None,
        refuses: Sequence[str] = (),
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        self.mode = mode
        self.answer = answer or cite_first
        self.delay_s = delay_s
        self.retry_after_s = retry_after_s
        self.api_key = api_key
        self.refuses = tuple(refuses)
        self.requests: list[dict[str, Any]] = []
        self.num_requests = 0
        self.is_closing = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.chat = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        """Address with the version."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them, and no socket outlives the test
    chat: ChatServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what the tests provoke: nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read `requests`."""

    def do_POST(self) -> None:
        """Answer, or fail, as the mode says."""
        chat = self.server.chat
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chat.num_requests += 1
        is_first = chat.num_requests == 1
        problem, messages = self._checked(body)
        if problem is not None:
            self._send(problem[0], {"error": {"message": problem[1], "type": "invalid_request_error"}})
            return
        mode = chat.mode.removesuffix("_once") if is_first or not chat.mode.endswith("_once") else "normal"
        if mode == "closed":
            linger = struct.pack("ii", 1, 0)  # a reset, not a polite end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.rfile.close()
            self.connection.close()
        elif mode == "error":
            self._send(500, {"error": {"message": "the model crashed", "type": "server_error"}})
        elif mode == "refused":
            self._send(401, {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}})
        elif mode == "limited" and is_first:
            self._send(429, {"error": {"message": "slow down"}}, {"Retry-After": f"{chat.retry_after_s:g}"})
        elif mode == "html":
            self._send_bytes(200, b"<html><body>It works!</body></html>", "text/html")
        elif mode == "huge":
            self._send_bytes(200, b" " * (5 << 20), "application/json")
        else:
            self._complete(mode, messages)

    def do_GET(self) -> None:
        """Only the protocol's list of models is there to get."""
        self.close_connection = True
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": "test", "object": "model"}]})
        else:
            self._send(404, {"error": {"message": f"no route {self.path}"}})

    def _complete(self, mode: str, messages: list[dict[str, Any]]) -> None:
        chat = self.server.chat
        if mode == "slow":
            chat.is_closing.wait(chat.delay_s)
        text = _NONSENSE if mode == "nonsense" else "" if mode in ("empty", "spent") else chat.answer(messages)
        if mode in ("fenced", "prose"):
            text = f"```json\n{text}\n```"
        if mode == "prose":
            text = f"Sure! This is what you asked for:\n\n{text}\n\nI hope it helps."
        if mode == "cut":
            text = text[: len(text) // 2]
        completion = {
            "id": f"chatcmpl-{chat.num_requests}",
            "object": "chat.completion",
            "created": 0,
            "model": chat.requests[-1]["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": [{"type": "text", "text": text}] if mode == "parts" else text,
                    },
                    "finish_reason": "length" if mode in ("cut", "spent") else "stop",
                }
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
        data = json.dumps(completion).encode()
        if mode == "truncated":
            self._send_bytes(200, data, "application/json", keep=len(data) // 2)
        elif mode == "broken_json":
            self._send_bytes(200, data[: len(data) // 2], "application/json")
        elif mode == "drip":
            self._send_bytes(200, data, "application/json", keep=0)
            for i in range(len(data)):
                if chat.is_closing.wait(0.1):
                    return
                self.wfile.write(data[i : i + 1])
                self.wfile.flush()
        else:
            self._send_bytes(200, data, "application/json")

    def _checked(self, body: bytes) -> tuple[tuple[int, str] | None, list[dict[str, Any]]]:
        """What is wrong with a request (status and message), and its messages."""
        chat = self.server.chat
        if self.path != "/v1/chat/completions":
            return (404, f"no route {self.path}"), []
        if chat.api_key is not None and self.headers.get("Authorization") != f"Bearer {chat.api_key}":
            return (401, "Incorrect API key provided"), []
        try:
            request = json.loads(body)
        except ValueError:
            return (400, "the body is no JSON"), []
        chat.requests.append(request)
        if not isinstance(request.get("model"), str) or not isinstance(request.get("messages"), list):
            return (400, "model and messages are required"), []
        try:
            for message in request["messages"]:
                if message["role"] not in ("system", "user", "assistant"):
                    return (400, f"unknown role {message['role']!r}"), []
                pictures_of([message])
        except (KeyError, TypeError, ValueError) as error:
            return (400, f"a message is malformed: {error}"), []
        form = request.get("response_format", {})
        for name in chat.refuses:
            if name in request or name == form.get("type") or (name == "schema" and name in form):
                instead = "; use 'max_completion_tokens' instead" if name == "max_tokens" else ""
                where = name if name in request else f"response_format {name}"
                return (400, f"{where!r} is not supported{instead}"), []
        if chat.mode == "blind" and pictures_of(request["messages"]):
            return (500, "image input is not supported"), []
        return None, request["messages"]

    def _send(self, status: int, payload: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(payload).encode(), "application/json", headers)

    def _send_bytes(
        self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None, keep: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data if keep is None else data[:keep])


def pictures_of(messages: Sequence[dict[str, Any]]) -> list[np.ndarray]:
    """Pictures in the messages, decoded, RGB `(h, w, 3)`.

    Raises:
        ValueError: If a content part is neither text nor a JPEG data URL with the detail low, high or auto.
    """
    pictures: list[np.ndarray] = []
    for message in messages:
        content = message["content"]
        for part in [] if isinstance(content, str) else content:
            if part["type"] == "text":
                if not isinstance(part["text"], str):
                    raise ValueError("a text part must hold text")
                continue
            if part["type"] != "image_url":
                raise ValueError(f"unknown part {part['type']!r}")
            image = part["image_url"]
            if image.get("detail", "auto") not in ("low", "high", "auto"):
                raise ValueError(f"unknown detail {image['detail']!r}")
            header, _, encoded = image["url"].partition(",")
            if header != "data:image/jpeg;base64":
                raise ValueError(f"expected a JPEG data URL, got {header[:40]!r}")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except binascii.Error as error:
                raise ValueError("the picture is no base64") from error
            decoded = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
            if decoded is None:
                raise ValueError("the picture does not decode")
            pictures.append(np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)))
    return pictures


def evidence_rows(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Evidence rows (one JSON object a line, with a `record_id`) in the last message of the user."""
    content = next(message["content"] for message in reversed(messages) if message["role"] == "user")
    text = content if isinstance(content, str) else "\n".join(p["text"] for p in content if p["type"] == "text")
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [row for row in rows if "record_id" in row]


def cite_first(messages: Sequence[dict[str, Any]]) -> str:
    """A model of few words: cites the first row of the evidence, and picks the first choice where there are any."""
    rows = evidence_rows(messages)
    has_choices = bool(re.search(r"^A\) ", json.dumps(messages).replace("\\n", "\n"), flags=re.MULTILINE))
    reply = {
        "answer": f"see {rows[0]['record_id']}" if rows else "no match",
        "evidence": [rows[0]["record_id"]] if rows else [],
        "confidence": 0.8 if rows else 0.1,
        "choice": "A" if has_choices else None,
    }
    return json.dumps(reply)
