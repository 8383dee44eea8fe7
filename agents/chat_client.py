"""Ask any server that speaks the OpenAI chat-completions protocol: one HTTP request, bounded in time, size and tries.

Only the standard library is used. What the server sends is checked, never trusted and never evaluated.
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

from placecell.errors import ServerError

__all__ = ["ChatClient", "ChatReply", "ChatUsage", "ReplyError", "parse_reply"]

MAX_REPLY_BYTES: Final = 4 << 20
_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LOST: Final = (OSError, http.client.HTTPException)


@dataclass(slots=True)
class ChatUsage:
    """What a client has spent so far. Tokens are as the server counts them; 0 where it does not say."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A model's answer to a question, after strict parsing.

    Args:
        answer: The answer in words.
        evidence: Ids of the records that the model cites, as it wrote them.
        confidence: 0 to 1, as the model says.
        choice: Letter of the chosen option, upper case; None if there is none.
    """

    answer: str
    evidence: tuple[str, ...]
    confidence: float
    choice: str | None = None


class ReplyError(ValueError):
    """A model's text is not the JSON object that was asked for; the message says in one line what is wrong."""


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
        extra: Further fields of the request's body (`{"max_tokens": 512}`); a field that is None is left out.

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
    extra: Mapping[str, Any] = field(default_factory=dict)
    usage: ChatUsage = field(default_factory=ChatUsage, init=False)

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

    @property
    def url(self) -> str:
        """Where requests go."""
        base = self.base_url.rstrip("/")
        return base if base.endswith("/chat/completions") else base + "/chat/completions"

    def complete(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The model's text for `messages` (roles and contents as the protocol has them).

        Raises:
            ServerError: If no try succeeds, or the server answers something else than a chat completion.
        """
        body: dict[str, Any] = {"model": self.model, "messages": list(messages), "temperature": 0, "stream": False}
        body |= self.extra
        payload = json.dumps({key: value for key, value in body.items() if value is not None}).encode()
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
                    return self._text_of(self._post(payload, min(self.timeout_s, left)))
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
        if response.status in _RETRIED:
            raise _Again(f"HTTP {response.status} {said}".strip(), _retry_after_s(response.getheader("Retry-After")))
        hint = {401: ": check api_key", 403: ": check api_key", 404: ": check base_url and the model's name"}
        raise ServerError(
            f"chat server {self.url} refused: HTTP {response.status} {said}{hint.get(response.status, '')}"
        )

    def _text_of(self, data: bytes) -> str:
        """The model's text in a chat completion."""
        try:
            reply = json.loads(data)
            content = reply["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            shown = _shown(data.decode("utf-8", "replace"))
            # Half an object is an accident of the line and worth another try; anything else is no such server.
            if isinstance(error, json.JSONDecodeError) and data.lstrip()[:1] == b"{":
                raise _Again(f"broken JSON: {shown}") from error
            raise ServerError(
                f"chat server {self.url} sent no chat completion but {shown}: check that base_url ends in the "
                "version, for example /v1"
            ) from error
        if isinstance(content, list):  # some servers send parts, as requests have them
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        if not isinstance(content, str) or not content.strip():
            raise ServerError(f"chat server {self.url} sent an empty message: try another model than {self.model!r}")
        usage = reply.get("usage")
        if isinstance(usage, dict):
            for name in ("prompt_tokens", "completion_tokens"):
                count = usage.get(name)
                if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
                    setattr(self.usage, name, getattr(self.usage, name) + count)
        return content


def parse_reply(text: str, num_choices: int = 0) -> ChatReply:
    """Read `{"answer": str, "evidence": [ids], "confidence": 0..1, "choice": letter or null}`.

    The object may stand in one fenced block, and after a `<think>` block; nothing else is let pass.

    Raises:
        ReplyError: If it is anything else.

    Example:
        >>> parse_reply('{"answer": "red", "evidence": ["robot/7"], "confidence": 0.9, "choice": null}').answer
        'red'
    """
    plain = re.sub(r"^\s*<think>.*?</think>", "", text, count=1, flags=re.DOTALL).strip()
    fence = re.fullmatch(r"```(?:json)?\s*\n(.*?)\n?\s*```", plain, flags=re.DOTALL)
    try:
        reply = json.loads(fence[1] if fence else plain, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"not JSON: {_shown(plain)}") from error
    if not isinstance(reply, dict):
        raise ReplyError(f"not a JSON object: {_shown(plain)}")
    missing = [key for key in ("answer", "evidence", "confidence") if key not in reply]
    if missing:
        raise ReplyError(f"without {', '.join(missing)}: {_shown(plain)}")
    answer, evidence, confidence, choice = (reply.get(k) for k in ("answer", "evidence", "confidence", "choice"))
    if not isinstance(answer, str) or not answer.strip():
        raise ReplyError(f"answer must be text, got {_shown(json.dumps(answer))}")
    if not isinstance(evidence, list) or not all(isinstance(item, str) for item in evidence):
        raise ReplyError(f"evidence must be a list of record ids, got {_shown(json.dumps(evidence))}")
    if isinstance(confidence, bool) or not isinstance(confidence, (int, float)) or not 0 <= confidence <= 1:
        raise ReplyError(f"confidence must be a number from 0 to 1, got {_shown(json.dumps(confidence))}")
    if choice is not None:
        letter = re.fullmatch(r"\(?([A-Za-z])[).]?", choice.strip()) if isinstance(choice, str) else None
        if letter is None or ord(letter[1].upper()) - 65 >= max(num_choices, 0 if num_choices else 26):
            raise ReplyError(f"choice must be a letter of the choices or null, got {_shown(json.dumps(choice))}")
        choice = letter[1].upper()
    return ChatReply(answer.strip(), tuple(dict.fromkeys(evidence)), float(confidence), choice)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _shown(text: str) -> str:
    """The start of `text` on one line, for messages."""
    plain = re.sub(r"[\x00-\x1f\x7f\s]+", " ", text).strip()
    return repr(plain[:120] + ("..." if len(plain) > 120 else "")) if plain else "nothing"


def _error_message(data: bytes) -> str:
    """What an error answer says of itself."""
    try:
        error = json.loads(data)["error"]
        message = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return _shown(str(message))


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header; None for a missing one or one that names a date."""
    try:
        wait_s = float(header or "")
    except ValueError:
        return None
    return min(max(wait_s, 0.0), 3600.0) if math.isfinite(wait_s) else None
