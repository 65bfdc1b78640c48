"""Read and validate the site's settings: the dict `IMAGEGEN`, as typed values.

This is the only module that reads Django's settings for the app. The `#:` lines are the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from imagegen_app.core.setting_values import InvalidSettings as InvalidSettings  # noqa: PLC0414 - handed on
from imagegen_app.core.setting_values import (
    build,
    known_values,
    mapping,
    nested,
    require_amount,
    require_between,
    require_day,
    require_keys,
    sequence,
)


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Where a provider's API key comes from, and which hosts may receive it."""

    #: Where the key is read from: `env:NAME`, `file:/path`, or the dotted path of a callable; two
    #: of them while a key is being replaced.
    source: str | tuple[str, ...]
    #: Host names that may receive the key; it is sent to no other.
    hosts: tuple[str, ...]
    #: Source of the secret with which the provider signs webhooks, or two; empty: no webhooks.
    webhook_source: str | tuple[str, ...] = ""
    #: The environment that it belongs to, such as `production`; a site of another `ENVIRONMENT` does
    #: not use it. Empty: any.
    environment: str = ""
    #: Whether it is a test key, with which nothing real is made; the doctor warns in production.
    is_test: bool = False
    #: The last day on which it is valid, such as `2027-01-31`; the doctor warns from 30 days before.
    #: Empty where the provider ends none.
    expires: str = ""


@dataclass(frozen=True, slots=True)
class ScreenerSettings:
    """One screener (content check) and what it checks."""

    #: Dotted path of the screener class: `imagegen_app.moderation.block_list.BlockList`,
    #: `imagegen_app.moderation.openai_moderation.OpenAIModeration`,
    #: `imagegen_app.moderation.http_classifier.HttpClassifier`, or one of your own.
    backend: str
    #: Name of the screener in verdicts and in the audit log.
    name: str
    #: What is checked: `prompt`, `input` (images) and `output` (images). Prompts only by default,
    #: since that needs no image model.
    stages: tuple[str, ...] = ("prompt",)
    #: Keyword arguments for the class; `credential` names one of `CREDENTIALS`.
    options: dict[str, Any] = field(default_factory=dict)
    #: What happens if the screener fails: `block` refuses the content, `pass` lets it through. The
    #: default is the safe one. A verdict in a hard category is no failure, and nothing opens it.
    on_error: str = "block"
    #: Cost of one call, as text in the currency of the image models, such as `"0.0015"`. Budgets
    #: reserve it. Nothing by default, as for a screener that runs locally.
    price: str = "0"
    #: Seconds after which a class of your own counts as failed, from 1 to 300, so that one that hangs
    #: holds nobody up; within 60 a model decides even on a slow machine. It is called in a thread,
    #: with a database connection of its own; 0 calls it in the caller's, without a limit. Those of
    #: this package have limits of their own.
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class CaptionerSettings:
    """The captioner, which suggests alternative texts for new images."""

    #: Dotted path of the captioner class. Empty by default: no text is suggested, since a captioner
    #: sends images to another service or needs a model.
    backend: str = ""
    #: Name of the captioner in the log.
    name: str = "captioner"
    #: Keyword arguments for the class.
    options: dict[str, Any] = field(default_factory=dict)
    #: Language code of the suggestions, such as `de`; empty for the site's `LANGUAGE_CODE`.
    language: str = ""
    #: What budgets reserve for one call, such as `"0.0004"`: more than most calls cost. An answer that
    #: counts its tokens is charged by them, where the captioner knows their prices; any other is
    #: charged this, which is then an estimate. Nothing for a local captioner.
    price: str = "0"
    #: Seconds after which a call is given up and the image is stored without a suggestion, from 1 to
    #: 60; within 30 most services answer, and an image is late by no more.
    seconds: int = 30


@dataclass(frozen=True, slots=True)
class TextModelSettings:
    """The text model, which suggests prompts from the site's content and improves them."""

    #: Dotted path of its class: `imagegen_app.writing.openai_chat.OpenAIChatTextModel`, or one of your
    #: own. Empty by default: nothing is suggested, since it sends texts to another service.
    backend: str = ""
    #: Name of the text model in the log.
    name: str = "text model"
    #: Keyword arguments for the class; `credential` names one of `CREDENTIALS`.
    options: dict[str, Any] = field(default_factory=dict)
    #: What budgets reserve for one call, such as `"0.002"`: more than most calls cost. An answer that
    #: counts its tokens is charged by them, where the class knows their prices; any other is charged
    #: this. Nothing for a local model.
    price: str = "0"
    #: The currency of `PRICE` and of the options' prices.
    currency: str = "USD"
    #: Seconds after which a call is given up, from 1 to 60; a person waits for it.
    seconds: int = 30


@dataclass(frozen=True, slots=True)
class QuestionSettings:
    """One question of the checklist that reviewers answer before they approve an image."""

    #: A short name in lower-case letters, digits and underscores; answers are stored under it.
    key: str
    #: The question, so that "yes" is what you hope for: `"No real person can be recognized?"`.
    text: str


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """What a review of an image asks for."""

    #: Questions that a reviewer answers before approving; a "no" needs a note. None by default,
    #: since only your site knows what to look for. With any, images are approved where the questions
    #: are asked: on the review desk and on an image's own page.
    checklist: tuple[QuestionSettings, ...] = ()
    #: Whether an image needs an alternative text, or must be marked as decorative, before it is
    #: placed in content or published with a page; off, since older images may have none.
    require_alt_text: bool = False


@dataclass(frozen=True, slots=True)
class SigningSettings:
    """How images are signed with Content Credentials (C2PA)."""

    #: Path of a PEM file with the signing certificate and its chain, leaf first. Empty: a
    #: development certificate is created, so that signing works at once but proves nothing.
    certificate: str = ""
    #: Path of a PEM file with the certificate's private key; empty together with `CERTIFICATE`.
    private_key: str = ""
    #: Signing algorithm of the key: `es256` (as in a development certificate), `ps256`, `ed25519`.
    algorithm: str = "es256"
    #: URL of an RFC 3161 time-stamp authority. Empty: no time stamp, so no request for each file;
    #: then files read as intact with an expired certificate once the certificate has expired.
    tsa_url: str = ""
    #: What happens while the authority does not answer: `wait` lets images wait for their stamp, so
    #: that none is published without; `sign` signs them without, and their pages say so.
    tsa_on_error: str = "wait"
    #: Path of a PEM file with further certificates that are trusted when reading, such as the root
    #: of the time-stamp authority; empty for none.
    trust_anchors: str = ""
    #: Name of the organisation in a development certificate.
    organization: str = "imagegen_app"


@dataclass(frozen=True, slots=True)
class MarksSettings:
    """Which XMP metadata is written into published files."""

    #: Whether to write the prompt; off, since a prompt may contain personal or internal matters.
    include_prompt: bool = False
    #: Whether to write the requester's name; off, since it is personal data.
    include_names: bool = False
    #: The value of `photoshop:Credit`, such as the site's name; empty for none.
    credit: str = ""
    #: Whether to state that the image must not be used to train AI models; on, since that can be
    #: allowed later, but not be taken back.
    forbid_ai_training: bool = True


@dataclass(frozen=True, slots=True)
class RenditionSettings:
    """Which renditions are made from every asset."""

    #: Widths in pixels, from phones to wide screens; those larger than the asset are left out.
    widths: tuple[int, ...] = (320, 640, 960, 1280, 1920)
    #: Any of `avif`, `webp`, `jpeg`, `png`. AVIF files are smallest; every browser shows JPEG.
    formats: tuple[str, ...] = ("avif", "webp", "jpeg")


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """One place outside of the database to which the log's checkpoints are published."""

    #: `storage` (an alias in `STORAGES`), `folder`, `git` (a repository that is pushed to), `email`,
    #: `webhook` or `logger` (of Python's logging, for a log server). Verification reads the first
    #: three; the others are for people and services that keep what they get.
    kind: str
    #: The alias, path, repository, address, URL or logger's name. For a URL that holds a secret,
    #: `env:NAME` or `file:/path` of where it is read from.
    target: str


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How the audit log is named, signed and published."""

    #: Name of the log in checkpoints; unique in the world, such as `example.org/imagegen`.
    origin: str = "localhost/imagegen"
    #: Path of a PEM file with the Ed25519 key that signs checkpoints. Empty by default: a key is
    #: created in the state folder on first use.
    signing_key: str = ""
    #: Places by name to which a checkpoint is published every hour, such as `{"auditor": {"KIND":
    #: "email", "TARGET": "log@example.org"}}`; best where the database's administrators cannot
    #: change anything. None by default, since no place fits every site: until there is one, nothing
    #: outside of the database binds the log.
    publish_to: dict[str, PlaceSettings] = field(default_factory=dict)
    #: Whether sign-ins and failed ones are recorded; off, since many sites record them elsewhere.
    record_sign_ins: bool = False


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Limits of the images that are decoded, and what is kept of uploads."""

    #: Size of one image file in bytes, at most; more than the 25 MiB that an upload may have.
    max_bytes: int = 32 * 1024 * 1024
    #: Pixels of one image (width times height), at most; 40 million is what a decoder process can
    #: process within its 512 MB.
    max_pixels: int = 40_000_000
    #: Seconds of processor time for the largest image with its renditions; smaller ones get less.
    max_seconds: int = 60
    #: Whether uploads are also kept with their metadata; off, since it may say where a photo was taken.
    keep_original_inputs: bool = False


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """The providers' answers on the disk of `STATE_DIR`: room for new ones, and kept ones."""

    #: Bytes that must stay free on the disk. With less, no call is sent and jobs wait. The default
    #: has room for the largest answers of two calls.
    min_free_bytes: int = 256 * 1024 * 1024
    #: Days for which an answer that was paid for and could not be used is kept, to be read again
    #: after an upgrade. A month is enough for a report and a release.
    keep_days: int = 30
    #: Bytes of kept answers above which the doctor warns; 5 GiB are about a thousand answers.
    max_kept_bytes: int = 5 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SecretStoreSettings:
    """How long each process uses values of stores of keys (Vault, AWS, Google Cloud, Azure)."""

    #: Seconds for which a value is used before its store is asked again, from 10 to 86,400. After
    #: 300 a rotated key is used everywhere, and no store is asked often.
    fresh_seconds: int = 300
    #: Seconds for which a value is used, counted from its reading, while its store cannot be
    #: reached; from `FRESH_SECONDS`, which uses none any longer, to 604,800. An hour outlasts most
    #: outages, and a key that is withdrawn meanwhile is used for no longer.
    outage_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Settings:
    """All keys of `IMAGEGEN`; nested values are dicts with the same rules."""

    #: Dotted path of the engine class, which wakes workers. The default uses Django's own tasks.
    engine: str = "imagegen_app.engines.django_tasks.DjangoTasksEngine"
    #: Name of the task queue for the engine's messages.
    queue: str = "imagegen"
    #: Alias in `STORAGES` under which files are stored; it must not be public.
    storage: str = "imagegen"
    #: Folder for the spool and for keys that are created on first use; all workers must share it.
    #: Empty for `var/imagegen-state` below the site's `BASE_DIR`.
    state_dir: str = ""
    #: Provider API keys by name. The values say where a key comes from; they never contain it.
    credentials: dict[str, KeySettings] = field(default_factory=dict)
    #: How long values of stores of keys are used.
    secret_stores: SecretStoreSettings = field(default_factory=SecretStoreSettings)
    #: What this site is: `production`, `staging`, `dev` or a name of your own. Credentials that name
    #: another environment are not used. Empty: only credentials that name none are.
    environment: str = ""
    #: Origins of self-hosted providers and of proxies that a provider's base URL may name beside its
    #: adapter's own public hosts, such as `https://images.example.org`. None by default: whoever may
    #: edit providers cannot have prompts and images sent to any server.
    provider_origins: tuple[str, ...] = ()
    #: Such origins that may also use plain http or a private address, such as
    #: `http://10.0.0.5:8188`. None by default, so that no URL can reach the internal network.
    trusted_origins: tuple[str, ...] = ()
    #: The site's own image servers, such as `https://dam.internal.example.org:8443`: from these, input
    #: images of batches are fetched though they are private, plain or on another port. None by default:
    #: all others must be public, and serve by https on port 443. No provider may be called there.
    input_origins: tuple[str, ...] = ()
    #: Dotted paths of further adapter classes, by the name that a provider selects.
    adapters: dict[str, str] = field(default_factory=dict)
    #: Whether superusers may generate images without a grant; off, so that grants are complete.
    superuser_bypass: bool = False
    #: Whether an image must be approved by another person than its requester; on, since people
    #: overlook mistakes in their own images. A site whose only reviewer requests images too turns it
    #: off; see the how-to about reviewing.
    require_second_reviewer: bool = True
    #: The checklist of reviewers, and whether images need alternative texts.
    review: ReviewSettings = field(default_factory=ReviewSettings)
    #: Whom to ask, as messages about refused actions name them.
    contact: str = "your image administrators"
    #: Whether people may choose to get a mail when work that took long is finished; they all have to
    #: choose it, and Django's settings for e-mail hold. Off: nobody is offered it, and none is sent.
    mail_finished_work: bool = True
    #: Where your site's people find this documentation, such as `https://docs.example.org/imagegen`;
    #: messages about errors then link to its page about troubleshooting. Empty: no links, since only
    #: you know where your people may read it.
    docs_url: str = ""
    #: Screeners (content checks), in the order in which they are called. The default is a list of
    #: terms for illegal images, which needs no other service.
    screeners: tuple[ScreenerSettings, ...] = (
        ScreenerSettings(backend="imagegen_app.moderation.block_list.BlockList", name="block list"),
    )
    #: Suggestions of alternative texts.
    captioner: CaptionerSettings = field(default_factory=CaptionerSettings)
    #: Suggestions of prompts.
    text_model: TextModelSettings = field(default_factory=TextModelSettings)
    #: Signing of published files with Content Credentials.
    c2pa: SigningSettings = field(default_factory=SigningSettings)
    #: XMP metadata of published files.
    marks: MarksSettings = field(default_factory=MarksSettings)
    #: Renditions of every asset.
    renditions: RenditionSettings = field(default_factory=RenditionSettings)
    #: The audit log.
    audit: AuditSettings = field(default_factory=AuditSettings)
    #: Limits of the images that are decoded.
    images: ImageSettings = field(default_factory=ImageSettings)
    #: Days for which an uploaded table is kept after it was last used. A month is enough for a batch
    #: with its review; its rows may hold what a product is called long before it is announced.
    uploaded_table_days: int = 30
    #: Room for providers' answers, and how long unusable ones are kept.
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    #: Provider calls that one job loop of a worker holds at the same time; 64 are possible since a
    #: call only waits.
    max_in_flight: int = 64
    #: Seconds for which one task of a worker claims jobs before it ends. With 300 a task and its
    #: last call end well before Redis gives the task to another worker (3600).
    drive_seconds: int = 300
    #: Seconds without a heartbeat after which another worker takes a job over. 15 outlast a short
    #: pause of a process, and a crash delays a job only little.
    lease_seconds: int = 15
    #: Seconds from a job's request to its end, at most; a day outlasts most outages of providers.
    job_deadline_seconds: int = 86_400
    #: Attempts of one job, at most, while errors are certainly unbilled; 5 outlast a short failure.
    max_tries: int = 5
    #: Seconds that a job of unknown outcome waits for the decision of a person; a week includes a
    #: weekend.
    uncertain_deadline_seconds: int = 7 * 86_400
    #: Seconds for which a signed file URL is valid, 900 at most: enough to load a page, and a URL
    #: that leaks is useless soon.
    signed_url_seconds: int = 900
    #: The site's public https URL, to which providers send webhooks. Empty: providers are polled
    #: instead, which also works where they cannot reach the site.
    public_url: str = ""
    #: Whether providers are told a keyed hash of who asked, another one each; on, since with it they
    #: can block one person who breaks their rules instead of the whole account.
    identify_end_users: bool = True
    #: Dotted path of a function that removes URLs from the site's caches of files and pages. It is
    #: called by a worker with a list of URLs (paths if `PUBLIC_URL` is empty) when an image was
    #: withdrawn, and again until it returns without an error. Empty: the site has no such cache.
    purge: str = ""
    #: Image fields on which images may be placed: `app.Model.field`, each with a prompt template
    #: and the variables that it takes from the object.
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)


def get() -> Settings:
    """Return the present settings.

    :raises InvalidSettings: if `IMAGEGEN` is not valid.
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
    """Validate the site's dict and return it as settings.

    :raises InvalidSettings: if a key is unknown or a value is not valid.
    """
    if not isinstance(raw, dict):
        raise InvalidSettings(
            "IMAGEGEN is not a dict", hint="Write IMAGEGEN = {...} in the settings."
        )
    values = known_values(Settings, raw, "IMAGEGEN")
    values["credentials"] = {
        str(name): nested(KeySettings, entry, f"IMAGEGEN['CREDENTIALS'][{name!r}]")
        for name, entry in mapping(values.get("credentials", {}), "IMAGEGEN['CREDENTIALS']").items()
    }
    for name, entry in values["credentials"].items():
        require_day(entry.expires, f"IMAGEGEN['CREDENTIALS'][{name!r}]['EXPIRES']")
    if "screeners" in values:
        values["screeners"] = tuple(
            nested(ScreenerSettings, entry, f"IMAGEGEN['SCREENERS'][{index}]")
            for index, entry in enumerate(sequence(values["screeners"], "IMAGEGEN['SCREENERS']"))
        )
        for index, screener in enumerate(values["screeners"]):
            place = f"IMAGEGEN['SCREENERS'][{index}]"
            require_amount(screener.price, f"{place}['PRICE']")
            require_between(screener.seconds, 0, 300, f"{place}['SECONDS']")
    if "review" in values:
        values["review"] = _review(values["review"])
    for name, kind in _SECTIONS.items():
        if name in values:
            values[name] = nested(kind, values[name], f"IMAGEGEN[{name.upper()!r}]")
    if "audit" in values:
        places = "IMAGEGEN['AUDIT']['PUBLISH_TO']"
        for name, entry in values["audit"].publish_to.items():
            values["audit"].publish_to[name] = nested(PlaceSettings, entry, f"{places}[{name!r}]")
    _require_possible_numbers(values)
    built: Settings = build(Settings, values, "IMAGEGEN")
    return built


def _review(raw: Any) -> Any:
    """Return the section with its questions built.

    :raises InvalidSettings: if a question has no usable key, or the key of another one.
    """
    if isinstance(raw, ReviewSettings):
        return raw
    place = "IMAGEGEN['REVIEW']"
    known = known_values(ReviewSettings, mapping(raw, place), place)
    if "checklist" in known:
        place = f"{place}['CHECKLIST']"
        known["checklist"] = tuple(
            nested(QuestionSettings, entry, f"{place}[{index}]")
            for index, entry in enumerate(sequence(known["checklist"], place))
        )
        require_keys([one.key for one in known["checklist"]], place)
    return build(ReviewSettings, known, "IMAGEGEN['REVIEW']")


def _require_possible_numbers(values: dict[str, Any]) -> None:
    for name in ("captioner", "text_model"):
        if name in values:
            place = f"IMAGEGEN[{name.upper()!r}]"
            require_amount(values[name].price, f"{place}['PRICE']")
            require_between(values[name].seconds, 1, 60, f"{place}['SECONDS']")
    if "secret_stores" in values:
        kept, place = values["secret_stores"], "IMAGEGEN['SECRET_STORES']"
        require_between(kept.fresh_seconds, 10, 86_400, f"{place}['FRESH_SECONDS']")
        require_between(
            kept.outage_seconds, kept.fresh_seconds, 604_800, f"{place}['OUTAGE_SECONDS']"
        )


def state_dir() -> Path:
    """Return the folder for the spool and for keys that are created on first use.

    :raises InvalidSettings: if neither `STATE_DIR` nor the site's `BASE_DIR` is set.
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
    """Return the site's `SECRET_KEY`, from which the app's own keys are derived."""
    return str(django_settings.SECRET_KEY)


def has_sessions_in_database() -> bool:
    """Return whether the site keeps its visitors' sessions in the database."""
    return str(django_settings.SESSION_ENGINE) in {
        "django.contrib.sessions.backends.db",
        "django.contrib.sessions.backends.cached_db",
    }


def secret_keys() -> tuple[str, ...]:
    """Return the site's `SECRET_KEY`, and those that it had before and still accepts."""
    return (secret_key(), *map(str, getattr(django_settings, "SECRET_KEY_FALLBACKS", ())))


def caption_language() -> str:
    """Return the language code for image descriptions: the captioner's, or the site's own."""
    return get().captioner.language or str(django_settings.LANGUAGE_CODE)


def language_code() -> str:
    """Return the code of the site's own language, in which the texts of its rows are written."""
    return str(django_settings.LANGUAGE_CODE)


def languages() -> list[tuple[str, str]]:
    """Return code and name of each language in which the site speaks."""
    return [(str(code), str(name)) for code, name in django_settings.LANGUAGES]


def language_codes() -> list[str]:
    """Return the codes of the languages in which the site speaks."""
    return [str(code) for code, _name in django_settings.LANGUAGES]


def is_debug() -> bool:
    """Return whether the site runs in debug mode."""
    return bool(django_settings.DEBUG)


_SECTIONS: dict[str, type[Any]] = {
    "c2pa": SigningSettings,
    "marks": MarksSettings,
    "renditions": RenditionSettings,
    "audit": AuditSettings,
    "review": ReviewSettings,
    "captioner": CaptionerSettings,
    "text_model": TextModelSettings,
    "images": ImageSettings,
    "spool": SpoolSettings,
    "secret_stores": SecretStoreSettings,
}
