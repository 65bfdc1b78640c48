"""One model behind a chat API, built from the options that a site's settings give.

What describes images and what writes prompts are both this, with words of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.errors import ProviderError
from imagegen_app.providers.chat_client import ChatClient, InvalidPrices, TokenPrices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from imagegen_app.providers.chat_client import ChatAnswer, ChatMessage
    from imagegen_app.providers.http import Connection

DEFAULT_URL: Final = "https://api.openai.com/v1"
DEFAULT_SECONDS: Final = 20.0
MIN_SECONDS, MAX_SECONDS = 0.1, 60.0
_MIN_TOKENS, _MAX_TOKENS = 30, 4_000
_HEADERS = ("Authorization", "api-key")
#: What models put around a text, though they are asked not to.
AROUND: Final = " \t\n\"'`*_#\u00ab\u00bb\u2018\u2019\u201c\u201d\u201e\u201f"


class InvalidOption(ValueError):
    """An option of such a service cannot be used; the message names it and says what would do."""


class ChatService:
    """A model that is asked over `/chat/completions`.

    `model` and `base_url` name the model and the server, up to `/v1`; `credential` is the name of
    one of `IMAGEGEN["CREDENTIALS"]`, empty for a server without keys, and `auth_header` the header
    of the key (`api-key` at Azure). `price_per_million_tokens` has amounts as text for `input`,
    `output` and, if it is another one, `cached_input`. `is_billed=False` says that calls are free
    though they take a key.

    :raises InvalidOption: if an option cannot be used.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        model: str,
        base_url: str = DEFAULT_URL,
        credential: str = "",
        auth_header: str = "Authorization",
        max_tokens: int,
        price_per_million_tokens: Mapping[str, str] | None = None,
        is_billed: bool | None = None,
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        if not model:
            raise InvalidOption("model has to name a model that the server has")
        if not connection.http.can_call(str(base_url)):
            raise InvalidOption(
                "base_url has to begin with https://, or be of an origin that "
                "IMAGEGEN['TRUSTED_ORIGINS'] lists"
            )
        if not credential and base_url.rstrip("/") == DEFAULT_URL:
            raise InvalidOption("credential has to name one of IMAGEGEN['CREDENTIALS']")
        if auth_header not in _HEADERS:
            raise InvalidOption(f"auth_header has to be one of {', '.join(_HEADERS)}")
        require_number("max_tokens", max_tokens, low=_MIN_TOKENS, high=_MAX_TOKENS)
        require_number("seconds", seconds, low=MIN_SECONDS, high=MAX_SECONDS, kinds=(int, float))
        self._prices: TokenPrices | None = None
        if price_per_million_tokens is not None:
            try:
                self._prices = TokenPrices.read(price_per_million_tokens)
            except InvalidPrices as error:
                raise InvalidOption(f"price_per_million_tokens: {error}") from None
        #: As the site names it.
        self.model = model
        self._max_tokens, self._is_billed = max_tokens, is_billed
        self._chat = ChatClient(
            base_url,
            http=connection.http,
            credential=connection.credential,
            auth_header=auth_header,
            seconds=float(seconds),
        )

    @property
    def is_billed(self) -> bool:
        """Whether each call is billed, so that a price belongs to it: with a key, unless it is said."""
        if self._is_billed is not None:
            return self._is_billed
        return self._chat.credential is not None or self._prices is not None

    def ask(self, messages: Sequence[ChatMessage]) -> ChatAnswer:
        """Have the model answer.

        :raises ProviderError: if no answer comes in time, or one that cannot be used.
        """
        return self._chat.ask(messages, model=self.model, max_tokens=self._max_tokens)

    def cost_of(self, answer: ChatAnswer) -> Decimal | None:
        """Return what an answer cost by its tokens; None where they or their prices are unknown."""
        if self._prices is None or not answer.tokens:
            return None
        return self._prices.cost_of(answer.tokens)

    def availability_problem(self) -> str:
        """Ask the server, free of charge, whether it has the model; empty if it has.

        Some servers of one's own list no models, or others than they serve: that is none.
        """
        try:
            names = self._chat.model_names()
        except ProviderError as error:
            return problem_of(error)
        if names and self.model not in names and f"{self.model}:latest" not in names:
            return f"the server does not list the model {self.model!r}"
        return ""

    def check_key(self) -> bool:
        """Ask, free of charge, whether the key is valid; see `ChatClient.check_key`."""
        return self._chat.check_key()


def problem_of(error: ProviderError) -> str:
    """Return what an error is in our own words, without what was sent."""
    return f"{error.code}: {error.detail}".rstrip(": ")


def require_number(
    name: str, value: Any, *, low: float, high: float, kinds: tuple[type, ...] = (int,)
) -> None:
    """Require that an option is a number within limits.

    :raises InvalidOption: if it is none.
    """
    if type(value) not in kinds or not low <= value <= high:
        raise InvalidOption(f"{name} has to be a number from {low:g} to {high:g}")
