"""Ask a language model over a chat API like OpenAI's (`/chat/completions`); images go along as data.

OpenAI, Azure, vLLM, LocalAI, Ollama and llama.cpp speak it. The call is synchronous and has one limit
of time; whoever asks decides what the words of the answer, which are a stranger's, are good for.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, Literal

from imagegen_app.core.errors import BadResponse
from imagegen_app.core.provider_text import (
    MAX_ID_CHARS,
    MAX_WORD_CHARS,
    Characters,
    provider_text,
)
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.providers import key_probe
from imagegen_app.providers.families import statuses
from imagegen_app.providers.http import Auth, BlockingClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import Reply

#: An answer holds words and counts.
MAX_ANSWER_BYTES: Final = 256 * 1024
MAX_TEXT_CHARS: Final = 20_000
#: Servers list thousands of models.
_MAX_LIST_BYTES = 2 * 1024 * 1024
_MAX_MODELS = 5_000
_MAX_TOKENS_COUNTED = 10**9
_MILLION = Decimal(1_000_000)
#: The kinds of tokens that have a price.
TOKEN_KINDS: Final = ("input", "cached_input", "output")
#: Hosts whose newer models refuse `max_tokens`, and know only the other name.
_NEW_LIMIT_HOSTS = ("api.openai.com", ".api.openai.com", ".openai.azure.com")

Outcome = Literal["text", "cut_off", "blocked"]


class InvalidPrices(ValueError):
    """Prices of tokens cannot be used; the message says what would do."""


@dataclass(frozen=True, slots=True)
class ChatImage:
    """An image of a message."""

    data: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message: what is said by whom, and images that go along."""

    role: Literal["system", "user"]
    text: str = field(repr=False)
    images: tuple[ChatImage, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """What a million tokens of each kind cost, in the currency of the image models."""

    input: Decimal
    output: Decimal
    #: None: cached input costs as much as other input.
    cached_input: Decimal | None = None

    @classmethod
    def read(cls, given: object) -> TokenPrices:
        """Read prices from a mapping of kinds of tokens to amounts as text.

        :raises InvalidPrices: if a kind is unknown or missing, or an amount is not one.
        """
        if not isinstance(given, dict):
            raise InvalidPrices('write {"input": "0.40", "output": "1.60"}')
        unknown = sorted(str(name) for name in set(given) - set(TOKEN_KINDS))
        if unknown:
            known = ", ".join(TOKEN_KINDS)
            raise InvalidPrices(f"{unknown[0][:40]!r} is not one of the kinds of tokens: {known}")
        missing = {"input", "output"} - set(given)
        if missing:
            raise InvalidPrices(f"the price of {min(missing)} tokens is missing")
        return cls(**{str(name): _amount(name, value) for name, value in given.items()})

    def cost_of(self, tokens: Mapping[str, int]) -> Decimal:
        """Return what tokens cost, by kind; cached input is not counted among the input."""
        cached = self.input if self.cached_input is None else self.cached_input
        return (
            self.input * tokens.get("input", 0)
            + cached * tokens.get("cached_input", 0)
            + self.output * tokens.get("output", 0)
        ) / _MILLION


def _amount(name: object, value: object) -> Decimal:
    try:
        amount = Decimal(value) if isinstance(value, str | Decimal | int) else None
    except InvalidOperation:
        amount = None
    if amount is None or isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise InvalidPrices(f"the price of {name} tokens is not an amount from 0 on, as text")
    return amount


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What a model answered, and what the call counts."""

    #: `blocked`: the model or its service refused; `cut_off`: the limit of tokens ended the text.
    outcome: Outcome
    #: Lines of visible characters without secrets; empty where it is blocked.
    text: str = field(repr=False)
    #: As the server resolved it; empty where it does not say.
    model: str = ""
    request_id: str = ""
    #: By kind; empty where the server does not count them.
    tokens: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> Any:
        """Return the JSON that the text is.

        :raises BadResponse: if it is none, or was cut off.
        """
        try:
            # Half of a document may be one, too, such as a number.
            return load_json(self.text if self.outcome == "text" else "")
        except InvalidJson:
            raise BadResponse(detail="the answer is not JSON", request_id=self.request_id) from None


@dataclass(frozen=True, slots=True)
class ChatClient:
    """A chat API at one base URL, with one credential."""

    #: Up to `/v1`, or whatever comes before `/chat/completions`.
    base_url: str
    http: BlockingClient = field(default_factory=BlockingClient)
    #: None for a server without keys.
    credential: Credential | None = None
    #: The header of the key; Azure's is `api-key`, without a scheme.
    auth_header: str = "Authorization"
    #: How long a call may take in all, a second one after 429 or 5xx included.
    seconds: float = 20.0

    def ask(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str,
        max_tokens: int,
        as_json: bool = False,
    ) -> ChatAnswer:
        """Have a model answer; with `as_json`, by a JSON object.

        :raises ProviderError: if no answer comes in time, or one that cannot be used.
        """
        fields: dict[str, Any] = {
            "model": model,
            "messages": [_message_fields(one) for one in messages],
            self._limit_field: max_tokens,
        }
        if as_json:
            fields["response_format"] = {"type": "json_object"}
        reply = self._send(
            "POST",
            "/chat/completions",
            # Not again after a failure of the server: it may have been billed.
            body=json.dumps(fields).encode(),
            content_type="application/json",
            billable=True,
            limit=MAX_ANSWER_BYTES,
        )
        return _read_answer(_document_of(reply), reply)

    def model_names(self) -> tuple[str, ...]:
        """Return the models that the server lists; free of charge.

        :raises ProviderError: if it does not answer, or with no list.
        """
        reply = self._send("GET", "/models", limit=_MAX_LIST_BYTES)
        document = _document_of(reply)
        rows = document.get("data")
        if not isinstance(rows, list):
            raise BadResponse(detail="the list of models is missing", request_id=reply.request_id)
        names = (
            provider_text(row.get("id"), max_chars=MAX_ID_CHARS)
            for row in rows[:_MAX_MODELS]
            if isinstance(row, dict)
        )
        return tuple(name for name in names if name)

    def check_key(self) -> bool:
        """Ask, free of charge, whether the key is valid; False where that cannot be asked.

        :raises AuthenticationFailed: if the server refuses the key.
        :raises ProviderError: if it cannot tell now.
        """
        if (auth := self._auth) is None:
            return False
        return key_probe.lists_models_for(
            auth, base_url=self.base_url, http=self.http, seconds=self.seconds
        )

    @property
    def _auth(self) -> Auth | None:
        if self.credential is None:
            return None
        scheme = "Bearer" if self.auth_header.lower() == "authorization" else ""
        return Auth(self.credential, header=self.auth_header, scheme=scheme)

    @property
    def _limit_field(self) -> str:
        host = self.base_url.partition("://")[2].partition("/")[0].partition(":")[0].lower()
        is_new = any(
            host == one or (one[0] == "." and host.endswith(one)) for one in _NEW_LIMIT_HOSTS
        )
        return "max_completion_tokens" if is_new else "max_tokens"

    def _send(self, method: str, path: str, **options: Any) -> Reply:
        url = self.base_url.rstrip("/") + path
        reply = self.http.send(method, url, seconds=self.seconds, auth=self._auth, **options)
        if not reply.ok:
            raise statuses.classify(reply)
        return reply


def _message_fields(message: ChatMessage) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}]
    for image in message.images:
        encoded = base64.b64encode(image.data).decode("ascii")
        url = f"data:{image.media_type};base64,{encoded}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return {"role": message.role, "content": parts}


def _document_of(reply: Reply) -> dict[str, Any]:
    try:
        document = load_json(reply.body)
    except InvalidJson:
        document = None
    if not isinstance(document, dict):
        raise BadResponse(detail="the answer is not a JSON object", request_id=reply.request_id)
    error = statuses.error_in(document)
    if error:
        # Some servers and gateways send errors with the status 200.
        explicit = statuses.explicit_error(error, status=reply.status, request_id=reply.request_id)
        detail = statuses.detail_of(error, status=reply.status)
        raise explicit or BadResponse(detail=f"an error in {detail}", request_id=reply.request_id)
    return document


def _read_answer(document: dict[str, Any], reply: Reply) -> ChatAnswer:
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise BadResponse(detail="the answer has no message", request_id=reply.request_id)
    ended_by = choice.get("finish_reason")
    text = _text_of(message.get("content"))
    outcome: Outcome = "text"
    if ended_by == "content_filter" or message.get("refusal"):
        outcome, text = "blocked", ""
    elif ended_by == "length":
        outcome = "cut_off"
    return ChatAnswer(
        outcome=outcome,
        text=provider_text(text, max_chars=MAX_TEXT_CHARS, allowed=Characters.TEXT),
        model=provider_text(document.get("model"), max_chars=MAX_WORD_CHARS),
        request_id=reply.request_id
        or provider_text(document.get("id"), max_chars=MAX_ID_CHARS, allowed=Characters.ID),
        tokens=_tokens_of(document.get("usage")),
    )


def _text_of(content: object) -> str:
    """Return the text of a message, which some servers hand out in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [one.get("text") for one in parts if isinstance(one, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _tokens_of(usage: object) -> dict[str, int]:
    """Return the tokens by kind; empty unless input and output are counted."""
    if not isinstance(usage, dict):
        return {}
    total, output = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if total is None or output is None:
        return {}
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    cached = min(cached or 0, total)
    return {"input": total - cached, "cached_input": cached, "output": output}


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MAX_TOKENS_COUNTED else None
