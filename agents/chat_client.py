"""Ask any server that speaks the OpenAI chat-completions protocol: one HTTP request, bounded in time, size and tries.

Only the standard library is used. What the server sends is checked, never trusted and never evaluated. Servers differ
in which fields of a request they take: a field of ours that a server refuses by name is said in another way, or left
out, from then on.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import random
import re
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from placecell.agents.chat_replies import shown
from placecell.errors import ServerError

__all__ = ["ChatClient", "ChatUsage"]

MAX_REPLY_BYTES: Final = 4 << 20
_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LOST: Final = (OSError, http.client.HTTPException)
_FORMS: Final = ("json_schema", "json_object with schema", "json_object", "")  # each for servers that refuse the last
_ADVICE: Final = {
    "image": "send it no pictures (max_pictures=0, or --chat-pictures 0), or take a model that sees",
    "context": "give the server a longer context, or send less (fewer pictures, rows or steps)",
}


@dataclass(slots=True)
class ChatUsage:
    """What a client has spent so far. Tokens are as the server counts them; 0 where it does not say.

    Args:
        requests: Sent, repetitions included.
        retries: Repeated after a failure that may pass.
        prompt_tokens: Read by the model, those that the server remembered from the last request included.
        completion_tokens: Written by it.
        truncated: Replies that ended because of the limit of tokens.
        seconds: Spent waiting.
        questions: Asked by `placecell.agents.chat_asking.ask_model`.
        answered: Of these, answered as asked at once.
        mended: Answered as asked when asked again.
    """

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    truncated: int = 0
    seconds: float = 0.0
    questions: int = 0
    answered: int = 0
    mended: int = 0


class _Refused(ServerError):
    """A request that will not be taken as it is; `said` is what the server says of it, in small letters."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class _Again(Exception):
    """A failure that may pass; `wait_s` is what the server asks for."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(slots=True)
class ChatClient:
    """One model on one server.

    Args:
        base_url: Address with the version, for example `http://localhost:11434/v1` or `https://api.openai.com/v1`.
        model: The model's name on that server.
        api_key: Sent as a bearer token; never shown in messages.
        timeout_s: Most seconds for one request, from connecting to the last byte.
        max_retries: How many times a request is repeated after 408, 409, 425, 429, 5xx, a time-out or a lost
            connection. Other refusals are final.
        deadline_s: Most seconds for one call of `complete`, pauses included; by default enough for all tries.
        backoff_s: Pause before the first repetition; doubled for each further one.
        max_tokens: Most tokens of a reply, thoughts included; None to leave it to the server.
        extra: Further fields of the request's body (`{"seed": 7}`); a field that is None is left out.

    Raises:
        ValueError: If an argument is out of range or the address is not http or https.

    Example:
        >>> ChatClient("http://localhost:11434/v1", "qwen2.5vl").url
        'http://localhost:11434/v1/chat/completions'
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0
    max_retries: int = 2
    deadline_s: float | None = None
    backoff_s: float = 0.5
    max_tokens: int | None = 1024
    extra: Mapping[str, Any] = field(default_factory=dict)
    usage: ChatUsage = field(default_factory=ChatUsage, init=False)
    _form: int = field(default=0, init=False, repr=False)  # how a schema is sent: one of _FORMS
    _renamed: dict[str, str | None] = field(default_factory=dict, init=False, repr=False)  # fields that were refused

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url must look like http://localhost:11434/v1, got {self.base_url!r}")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("base_url must hold no user, query or fragment: pass the key as api_key")
        if not self.model.strip():
            raise ValueError("model must name a model of the server, got an empty name")
        if self.api_key is not None and not re.fullmatch(r"[\x21-\x7e]+", self.api_key):
            raise ValueError("api_key must be printable ASCII without spaces or line ends")
        for name in ("timeout_s", "deadline_s"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and positive, got {value}")
        if self.max_retries < 0 or not (math.isfinite(self.backoff_s) and self.backoff_s >= 0):
            raise ValueError(f"max_retries and backoff_s must not be negative: {self.max_retries}, {self.backoff_s}")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be positive, or None, got {self.max_tokens}")

    @property
    def url(self) -> str:
        """Where requests go."""
        base = self.base_url.rstrip("/")
        return base if base.endswith("/chat/completions") else base + "/chat/completions"

    def complete(self, messages: Sequence[Mapping[str, Any]], *, schema: Mapping[str, Any] | None = None) -> str:
        """The model's text for `messages` (roles and contents as the protocol has them).

        Args:
            messages: What was said so far.
            schema: JSON schema that the text should keep to. Servers that can are asked to see to it, the others not:
                the text is not checked here.

        Raises:
            ServerError: If no try succeeds, or the server answers something else than a chat completion.
        """
        start = time.monotonic()
        budget = self.deadline_s or (self.timeout_s + 8.0) * (self.max_retries + 1)
        reason = "no try fitted into the deadline"
        for attempt in range(self.max_retries + 1):
            left = budget - (time.monotonic() - start)
            if left <= 0:
                break
            self.usage.requests += 1
            self.usage.retries += attempt > 0
            tried = time.monotonic()
            try:
                try:
                    return self._said(messages, schema, min(self.timeout_s, left))
                finally:
                    self.usage.seconds += time.monotonic() - tried
            except _Again as failure:
                reason = str(failure)
                # A little chance keeps many clients of one server from returning all at once.
                pause = failure.wait_s
                if pause is None:
                    pause = min(8.0, self.backoff_s * 2.0**attempt) * random.uniform(0.75, 1.25)
                if attempt == self.max_retries:
                    break
                if time.monotonic() - start + pause >= budget:
                    reason += f"; the next try in {pause:.0f} s lies behind the deadline of {budget:.0f} s"
                    break
                time.sleep(pause)
        tries = f"{attempt + 1} {'try' if attempt == 0 else 'tries'}"
        raise ServerError(
            f"chat server {self.url} gave no answer after {tries} ({reason}): check that it runs and serves "
            f"{self.model!r}, allow more time (timeout_s), or answer without it (EvidenceReader)"
        )

    def _said(self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any] | None, timeout_s: float) -> str:
        """One answer; a request of which a field is refused is said in another way."""
        while True:
            body = self._body(messages, schema)
            try:
                return self._text_of(self._post(json.dumps(body).encode(), timeout_s))
            except _Refused as refusal:
                if not self._adapts(body, refusal.said):
                    raise
                self.usage.requests += 1

    def _body(self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """A request in the words that this server takes."""
        fields: dict[str, Any] = {"temperature": 0, "max_tokens": self.max_tokens}
        if schema is not None:
            fields["response_format"] = _response_format(_FORMS[self._form], schema)
        body = {"model": self.model, "messages": [_plain(message) for message in messages], "stream": False}
        body |= {new: value for name, value in fields.items() if (new := self._renamed.get(name, name)) is not None}
        body |= self.extra
        return {key: value for key, value in body.items() if value is not None}

    def _adapts(self, body: Mapping[str, Any], said: str) -> bool:
        """Whether a request can be said in another way that a server which refuses this one may take."""
        ours = body.keys() - self.extra.keys()
        if "response_format" in ours and re.search("response_format|schema|json_object|grammar", said):
            self._form += 1
            return True
        for name, other in (("max_tokens", "max_completion_tokens"), ("temperature", None)):
            if name in ours and name in said:
                self._renamed[name] = other if other and other in said else None
                return True
        return False

    def _post(self, payload: bytes, timeout_s: float) -> bytes:
        """One request; the body of a 200 answer."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "placecell"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        is_late = threading.Event()

        def hang_up() -> None:
            is_late.set()
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(2)

        # A socket's time-out bounds one read; a server that drips bytes passes it for ever. The alarm bounds them all.
        alarm = threading.Timer(timeout_s, hang_up)
        alarm.daemon = True
        alarm.start()
        try:
            connection.request("POST", parts.path, payload, headers)
            response = connection.getresponse()
            data = response.read(MAX_REPLY_BYTES + 1)
            is_cut = response.length not in (None, 0) and len(data) <= MAX_REPLY_BYTES
        except ssl.SSLCertVerificationError as error:
            raise ServerError(f"chat server {self.url} has no valid certificate ({error.verify_message})") from error
        except _LOST as error:
            if is_late.is_set() or isinstance(error, TimeoutError):
                raise _Again(f"no answer within {timeout_s:.3g} s") from error
            raise _Again(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error
        finally:
            alarm.cancel()
            connection.close()
        if is_late.is_set():
            raise _Again(f"no whole answer within {timeout_s:.3g} s")
        if len(data) > MAX_REPLY_BYTES:
            raise ServerError(f"chat server {self.url} sent more than {MAX_REPLY_BYTES >> 20} MiB: no chat completion")
        if response.status == 200:
            if is_cut:
                raise _Again("the answer broke off")
            return data
        said = _error_message(data)
        is_final = "not supported" in said.lower()  # some servers say so with a 500
        if response.status in _RETRIED and not is_final:
            brief = f"HTTP {response.status} {shown(said) if said else ''}".strip()
            raise _Again(brief, _retry_after_s(response.getheader("Retry-After")))
        hint = {401: ": check api_key", 403: ": check api_key", 404: ": check base_url and the model's name"}
        advice = next((": " + advice for word, advice in _ADVICE.items() if word in said.lower()), "")
        line = f"HTTP {response.status} {shown(said) if said else ''}{hint.get(response.status, advice)}"
        raise _Refused(f"chat server {self.url} refused: {line}", said.lower())

    def _text_of(self, data: bytes) -> str:
        """The model's text in a chat completion."""
        try:
            reply = json.loads(data)
            content = reply["choices"][0]["message"]["content"]
            is_cut = reply["choices"][0].get("finish_reason") == "length"
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            start = shown(data.decode("utf-8", "replace"))
            # Half an object is an accident of the line and worth another try; anything else is no such server.
            if isinstance(error, json.JSONDecodeError) and data.lstrip()[:1] == b"{":
                raise _Again(f"broken JSON: {start}") from error
            raise ServerError(
                f"chat server {self.url} sent no chat completion but {start}: check that base_url ends in the "
                "version, for example /v1"
            ) from error
        usage = reply.get("usage")
        if isinstance(usage, dict):
            for name in ("prompt_tokens", "completion_tokens"):
                count = usage.get(name)
                if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
                    setattr(self.usage, name, getattr(self.usage, name) + count)
        self.usage.truncated += is_cut
        if isinstance(content, list):  # some servers send parts, as requests have them
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        if not isinstance(content, str) or not content.strip():
            advice = f"allow {self.model!r} more (max_tokens)" if is_cut else f"try another model than {self.model!r}"
            cause = ": its tokens were spent before it answered" if is_cut else ""
            raise ServerError(f"chat server {self.url} sent an empty message{cause}: {advice}")
        return content


def _response_format(form: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """How a server is told to keep to a schema."""
    if form == "json_schema":
        return {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}
    if form == "json_object with schema":
        return {"type": "json_object", "schema": schema}
    return {"type": "json_object"} if form == "json_object" else None


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message whose parts are all text as one text: the templates of many models without eyes take nothing else."""
    parts = message.get("content")
    if not isinstance(parts, list) or not all(isinstance(p, dict) and p.get("type") == "text" for p in parts):
        return dict(message)
    return {**message, "content": "\n".join(part["text"] for part in parts)}


def _error_message(data: bytes) -> str:
    """What an error answer says of itself."""
    try:
        error = json.loads(data)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header; None for a missing one or one that names a date."""
    try:
        wait_s = float(header or "")
    except ValueError:
        return None
    return min(max(wait_s, 0.0), 3600.0) if math.isfinite(wait_s) else None
