"""Read the site's settings: one dict, `IMAGEGEN`, typed, live, and refused where it is wrong.

This is the only module that reads Django's settings for the app.
"""

from __future__ import annotations

import difflib
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from django.conf import settings as django_settings
from django.core.signals import setting_changed

if TYPE_CHECKING:
    from collections.abc import Mapping


class InvalidSettings(ValueError):
    """`IMAGEGEN` holds something that it may not; the message says the remedy."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Where a provider's key comes from, and where it may go."""

    #: One source or two (for rotation): `env:NAME`, `file:/path`, or the dotted path of a callable.
    source: str | tuple[str, ...]
    #: The only hosts that ever receive the key.
    hosts: tuple[str, ...]
    #: Where the secret comes from that the provider signs its webhooks with; one or two sources.
    webhook_source: str | tuple[str, ...] = ""


@dataclass(frozen=True, slots=True)
class ScreenerSettings:
    """One screener and what it looks at."""

    #: Dotted path of the class.
    backend: str
    #: What verdicts call it.
    name: str
    #: `prompt`, `input`, `output`.
    stages: tuple[str, ...] = ("prompt",)
    #: Arguments for the class.
    options: dict[str, Any] = field(default_factory=dict)
    #: What a failing screener means: `block` (closed) or `pass` (open).
    on_error: str = "block"
    #: What one call costs, as text in the currency of the image models, such as `"0.0015"`.
    price: str = "0"


@dataclass(frozen=True, slots=True)
class CaptionerSettings:
    """What suggests alternative texts for new images."""

    #: Dotted path of the class; empty: nothing does.
    backend: str = ""
    #: What the log calls it.
    name: str = "captioner"
    #: Arguments for the class.
    options: dict[str, Any] = field(default_factory=dict)
    #: Language of the suggestions, such as `de`; empty: the site's own.
    language: str = ""
    #: What one call costs, as text in the currency of the image models, such as `"0.0004"`.
    price: str = "0"


@dataclass(frozen=True, slots=True)
class SigningSettings:
    """How images are signed (C2PA)."""

    #: PEM file of the signing certificate and its chain, leaf first. Empty: a development one is made.
    certificate: str = ""
    #: PEM file of the private key.
    private_key: str = ""
    #: Signing algorithm of the key.
    algorithm: str = "es256"
    #: RFC 3161 time-stamping authority; empty for none.
    tsa_url: str = ""
    #: PEM file of further trust anchors for reading.
    trust_anchors: str = ""
    #: Organisation named in a development certificate.
    organization: str = "imagegen_app"


@dataclass(frozen=True, slots=True)
class MarksSettings:
    """What else is written into published files."""

    #: Write the prompt into XMP; off, since a prompt may hold personal or business matters.
    include_prompt: bool = False
    #: Write the requester's name into XMP.
    include_names: bool = False
    #: `photoshop:Credit`, such as the site's name.
    credit: str = ""
    #: State that the image must not be used to train models.
    forbid_ai_training: bool = True


@dataclass(frozen=True, slots=True)
class RenditionSettings:
    """Which derived files every asset gets."""

    #: Widths in pixels; never larger than the asset.
    widths: tuple[int, ...] = (320, 640, 960, 1280, 1920)
    #: `avif`, `webp`, `jpeg`.
    formats: tuple[str, ...] = ("avif", "webp", "jpeg")


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How the log names and signs itself."""

    #: The log's name in checkpoints: unique in the world, such as `example.org/imagegen`.
    origin: str = "localhost/imagegen"
    #: PEM file of the Ed25519 key that signs checkpoints. Empty: one is made in the state folder.
    signing_key: str = ""
    #: Folder where every checkpoint is also written; empty for none.
    publish_to: str = ""


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Caps on what is decoded."""

    #: Bytes of one image.
    max_bytes: int = 32 * 1024 * 1024
    #: Pixels of one image.
    max_pixels: int = 40_000_000
    #: Seconds that decoding and encoding one image may take.
    max_seconds: int = 60


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a site may set in `IMAGEGEN`; nested values are dicts with the same rules."""

    #: Dotted path of the engine that wakes workers.
    engine: str = "imagegen_app.engines.django_tasks.DjangoTasksEngine"
    #: Queue that the engine's messages go to.
    queue: str = "imagegen"
    #: Alias in STORAGES where files are kept; private.
    storage: str = "imagegen"
    #: Folder for the spool and for keys made on first use; shared by all workers.
    state_dir: str = ""
    #: Provider keys by name; values are sources and hosts, never keys.
    credentials: dict[str, KeySettings] = field(default_factory=dict)
    #: Self-hosted provider origins that may be plain http or private, such as `http://10.0.0.5:8188`.
    trusted_origins: tuple[str, ...] = ()
    #: Further adapters by name: dotted paths.
    adapters: dict[str, str] = field(default_factory=dict)
    #: Whether superusers may generate without a grant.
    superuser_bypass: bool = False
    #: Whether a person may not approve an image that the same person requested.
    require_second_reviewer: bool = True
    #: Whom a refusal names.
    contact: str = "your image administrators"
    #: Screeners, in order.
    screeners: tuple[ScreenerSettings, ...] = (
        ScreenerSettings(backend="imagegen_app.moderation.block_list.BlockList", name="block list"),
    )
    #: Suggestions of alternative texts.
    captioner: CaptionerSettings = field(default_factory=CaptionerSettings)
    #: Signing of published files.
    c2pa: SigningSettings = field(default_factory=SigningSettings)
    #: Other marks in published files.
    marks: MarksSettings = field(default_factory=MarksSettings)
    #: Derived files.
    renditions: RenditionSettings = field(default_factory=RenditionSettings)
    #: The audit log.
    audit: AuditSettings = field(default_factory=AuditSettings)
    #: Caps on decoded images.
    images: ImageSettings = field(default_factory=ImageSettings)
    #: Provider calls in flight in one worker.
    max_in_flight: int = 64
    #: Seconds that one drive task works before it hands over.
    drive_seconds: int = 300
    #: Seconds after which a silent worker's job is taken from it.
    lease_seconds: int = 15
    #: Seconds that a job may take from request to end.
    job_deadline_seconds: int = 86_400
    #: Attempts that surely cost nothing, at most.
    max_tries: int = 5
    #: Seconds that a job of unknown outcome waits for a person.
    uncertain_deadline_seconds: int = 7 * 86_400
    #: Seconds that a signed file address holds.
    signed_url_seconds: int = 900
    #: The site's public https address, for webhooks; empty: providers are polled.
    public_url: str = ""
    #: Fields that images may be placed on: `app.Model.field` to template and variables.
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)


def get() -> Settings:
    """Return the settings as they are now.

    :raises InvalidSettings: if `IMAGEGEN` is wrong.
    """
    global _cached  # noqa: PLW0603 - one cache, cleared when a setting changes
    raw = getattr(django_settings, "IMAGEGEN", {})
    if _cached is None or _cached[0] is not raw:
        _cached = (raw, read(raw))
    return _cached[1]


_cached: tuple[Any, Settings] | None = None


def _forget(*, setting: str, **_kwargs: Any) -> None:
    global _cached  # noqa: PLW0603 - see get()
    if setting == "IMAGEGEN":
        _cached = None


setting_changed.connect(_forget, dispatch_uid="imagegen.conf")


def read(raw: Any) -> Settings:
    """Turn the site's dict into settings.

    :raises InvalidSettings: naming the key and the remedy.
    """
    if not isinstance(raw, dict):
        raise InvalidSettings(
            "IMAGEGEN is not a dict", hint="Write IMAGEGEN = {...} in the settings."
        )
    values = _known(Settings, raw, "IMAGEGEN")
    values["credentials"] = {
        str(name): _nested(KeySettings, entry, f"IMAGEGEN['CREDENTIALS'][{name!r}]")
        for name, entry in _mapping(
            values.get("credentials", {}), "IMAGEGEN['CREDENTIALS']"
        ).items()
    }
    if "screeners" in values:
        values["screeners"] = tuple(
            _nested(ScreenerSettings, entry, f"IMAGEGEN['SCREENERS'][{index}]")
            for index, entry in enumerate(_sequence(values["screeners"], "IMAGEGEN['SCREENERS']"))
        )
        for index, screener in enumerate(values["screeners"]):
            _require_amount(screener.price, f"IMAGEGEN['SCREENERS'][{index}]['PRICE']")
    for name, kind in _SECTIONS.items():
        if name in values:
            values[name] = _nested(kind, values[name], f"IMAGEGEN[{name.upper()!r}]")
    if "captioner" in values:
        _require_amount(values["captioner"].price, "IMAGEGEN['CAPTIONER']['PRICE']")
    built: Settings = _build(Settings, values, "IMAGEGEN")
    return built


def state_dir() -> Path:
    """Return the folder for the spool and for keys made on first use.

    :raises InvalidSettings: if neither `STATE_DIR` nor the site's `BASE_DIR` says where.
    """
    chosen = get().state_dir
    if chosen:
        return Path(chosen)
    base = getattr(django_settings, "BASE_DIR", None)
    if base is None:
        raise InvalidSettings(
            "IMAGEGEN['STATE_DIR'] is not set", hint="Name a folder that all workers share."
        )
    return Path(base) / "var" / "imagegen-state"


def secret_key() -> str:
    """Return the site's secret key, from which ours are derived."""
    return str(django_settings.SECRET_KEY)


def caption_language() -> str:
    """Return the language in which images are described: the captioner's, or the site's own."""
    return get().captioner.language or str(django_settings.LANGUAGE_CODE)


def is_debug() -> bool:
    """Return whether the site runs in debug mode."""
    return bool(django_settings.DEBUG)


_SECTIONS: dict[str, type[Any]] = {
    "c2pa": SigningSettings,
    "marks": MarksSettings,
    "renditions": RenditionSettings,
    "audit": AuditSettings,
    "captioner": CaptionerSettings,
    "images": ImageSettings,
}
_PLAIN: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool}


def _known(kind: type[Any], raw: Mapping[Any, Any], where: str) -> dict[str, Any]:
    names = {f.name.upper(): f.name for f in fields(kind)}
    found: dict[str, Any] = {}
    for key, value in raw.items():
        upper = str(key).upper()
        if upper not in names:
            near = difflib.get_close_matches(upper, names, n=1)
            hint = (
                f"Did you mean {near[0]!r}?"
                if near
                else "Known are: " + ", ".join(sorted(names)) + "."
            )
            raise InvalidSettings(f"{where} has an unknown key {key!r}", hint=hint)
        found[names[upper]] = value
    return found


def _nested(kind: type[Any], raw: Any, where: str) -> Any:
    if isinstance(raw, kind):
        return raw
    return _build(kind, _known(kind, _mapping(raw, where), where), where)


def _build(kind: type[Any], values: dict[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    for entry in fields(kind):
        place = f"{where}[{entry.name.upper()!r}]"
        if entry.name not in values:
            if entry.default is MISSING and entry.default_factory is MISSING:
                raise InvalidSettings(f"{place} is missing", hint=f"Add {entry.name.upper()!r}.")
            continue
        values[entry.name] = _typed(values[entry.name], hints[entry.name], place)
    return kind(**values)


def _typed(value: Any, hint: Any, place: str) -> Any:
    text = getattr(hint, "__name__", str(hint))
    if text in _PLAIN and "[" not in str(hint):
        if text == "str" and isinstance(value, Path):
            return str(value)
        wrong = not isinstance(value, _PLAIN[text]) or (text == "int" and isinstance(value, bool))
        if wrong:
            raise InvalidSettings(
                f"{place} is not a valid {text}", hint=f"Give a value of type {text}."
            )
        if text == "int" and value < 0:
            raise InvalidSettings(f"{place} is negative", hint="Give a positive number.")
        return value
    if str(hint).startswith("tuple["):
        return tuple(_sequence(value, place))
    if str(hint).startswith("dict["):
        return dict(_mapping(value, place))
    if isinstance(value, list):
        return tuple(value)
    return value


def _require_amount(text: str, place: str) -> None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    # Money is kept to a hundredth of a cent: what is less would be booked as nothing.
    if not amount.is_finite() or amount < 0 or amount != round(amount, 4):
        raise InvalidSettings(
            f"{place} is not a valid amount",
            hint='Write it as text with up to four decimals: "0.0015".',
        )


def _mapping(value: Any, place: str) -> Mapping[Any, Any]:
    if not isinstance(value, dict):
        raise InvalidSettings(f"{place} is not a dict", hint="Write it as a dict.")
    return value


def _sequence(value: Any, place: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidSettings(f"{place} is not a list", hint="Write it as a list.")
    return value
