"""Publish checkpoints to the places of `AUDIT["PUBLISH_TO"]`, and read them again where that is possible.

A place is written to by one file or message per checkpoint, and nothing is ever overwritten: the
name of a file contains a hash of the note. So a copy that an attacker publishes stands beside the
earlier ones and does not replace them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import smtplib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from django.core.mail import send_mail
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.errors import ProviderError
from imagegen_app.core.notes import MAX_NOTE_CHARS
from imagegen_app.providers.credentials import parse_source
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.services.gateways import _checkpoint_git, storage, whole_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Newest copies of one place that are read; those of two years, at one an hour.
MAX_COPIES: Final = 20_000
#: Length of a place's name, which is stored with each copy.
MAX_NAME_CHARS: Final = 60
#: A UTF-8 character has up to four bytes.
_MAX_BYTES: Final = 4 * MAX_NOTE_CHARS
_NAME = re.compile(r"checkpoint-[0-9]{19}-[0-9a-f]{16}\.txt\Z")
_FOLDER: Final = "checkpoints"
_WEBHOOK_SECONDS: Final = 20.0


class PlaceFailed(Exception):
    """A place cannot be written to or read at present; the message says why, without addresses."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A checkpoint to publish."""

    origin: str
    size: int
    #: In hexadecimal.
    root: str
    note: str

    @property
    def file_name(self) -> str:
        """The name of its file: sorted by name, files are sorted by size."""
        return (
            f"checkpoint-{self.size:019d}-{hashlib.sha256(self.note.encode()).hexdigest()[:16]}.txt"
        )


class Place(Protocol):
    """One place outside of the database."""

    def publish(self, statement: Statement) -> None:
        """Publish a checkpoint; one that is there already stays as it is.

        :raises PlaceFailed: if it cannot be published at present.
        """


class ReadablePlace(Place, Protocol):
    """A place whose copies can be read again."""

    def copies(self) -> Iterator[tuple[str, str]]:
        """Yield file name and content of the newest copies, those of the largest log first.

        :raises PlaceFailed: if they cannot be read at present.
        """


def build_places() -> dict[str, Place]:
    """Return the places of the site by name; those whose settings are not valid are left out."""
    settings = conf.get().audit.publish_to
    return {
        name: KINDS[entry.kind](entry.target, name)
        for name, entry in settings.items()
        if entry.kind in KINDS and entry.target and len(name) <= MAX_NAME_CHARS
    }


def invalid_places(settings: dict[str, conf.PlaceSettings]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the settings of places, and what to write instead."""
    for name, entry in settings.items():
        key = f"IMAGEGEN['AUDIT']['PUBLISH_TO'][{name!r}]"
        is_url = entry.target.startswith(("https://", "http://", "env:", "file:"))
        if entry.kind not in KINDS:
            yield f"{key} has an unknown KIND {entry.kind!r}.", f"Use {', '.join(sorted(KINDS))}."
        elif not entry.target:
            yield f"{key} has no TARGET.", "Name an alias, path, address, URL or logger."
        elif entry.kind == "webhook" and not is_url:
            yield (
                f"{key} names no URL.",
                "Write https://…, or env:NAME or file:/path of where it is.",
            )
        elif entry.kind == "storage" and not storage.has_alias(entry.target):
            yield (
                f"{key} names {entry.target!r}, which STORAGES does not have.",
                "Add this alias to STORAGES, or name one of it.",
            )
        elif not name or len(name) > MAX_NAME_CHARS:
            yield f"{key} has an unusable name.", f"Use up to {MAX_NAME_CHARS} characters."


def readable(places: dict[str, Place]) -> dict[str, ReadablePlace]:
    """Return those places whose copies can be read."""
    return {
        name: place
        for name, place in places.items()
        if isinstance(place, FolderPlace | StoragePlace | GitPlace)
    }


def newest_names(names: list[str]) -> list[str]:
    """Return the names of copies among files, largest log first, `MAX_COPIES` at most."""
    return sorted((name for name in names if _NAME.match(name)), reverse=True)[:MAX_COPIES]


def _text(data: bytes) -> str:
    # A copy that is no text is reported as one that is not a checkpoint.
    return data[:_MAX_BYTES].decode("utf-8", errors="replace")


class FolderPlace:
    """A folder, best one that is mounted from another server."""

    def __init__(self, target: str, _name: str) -> None:
        self._path = Path(target)

    def publish(self, statement: Statement) -> None:
        """Write the file, unless it is there."""
        path = self._path / statement.file_name
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            whole_files.write_new(path, statement.note.encode(), mode=0o644)
        except FileExistsError:
            return
        except OSError as error:
            raise PlaceFailed(_reason(error)) from None

    def copies(self) -> Iterator[tuple[str, str]]:
        """Read the files."""
        try:
            for name in newest_names([path.name for path in self._path.iterdir()]):
                with (self._path / name).open("rb") as file:
                    yield name, _text(file.read(_MAX_BYTES))
        except OSError as error:
            raise PlaceFailed(_reason(error)) from None


class StoragePlace:
    """An alias in `STORAGES`, such as a bucket with object lock."""

    def __init__(self, target: str, _name: str) -> None:
        self._alias = target

    def publish(self, statement: Statement) -> None:
        """Store the file, unless it is there."""
        name = f"{_FOLDER}/{statement.file_name}"
        with self._failures():
            store = storage.named_storage(self._alias)
            if not store.exists(name) and store.save(name, statement.note.encode()) != name:
                raise PlaceFailed(
                    _("the storage gave the file another name; let it keep the names it is given")
                )

    def copies(self) -> Iterator[tuple[str, str]]:
        """Read the files."""
        with self._failures():
            store = storage.named_storage(self._alias)
            for name in newest_names(store.list_files(_FOLDER)):
                with store.open(f"{_FOLDER}/{name}") as file:
                    yield name, _text(file.read(_MAX_BYTES))

    @contextmanager
    def _failures(self) -> Iterator[None]:
        if not storage.has_alias(self._alias):
            raise PlaceFailed(
                _("STORAGES has no alias “%(alias)s”; add it, or correct the place's TARGET")
                % {"alias": self._alias}
            )
        try:
            yield
        except storage.StorageFailed as error:
            raise PlaceFailed(
                _("the storage “%(alias)s” failed (%(error)s); check its entry in STORAGES")
                % {"alias": self._alias, "error": error}
            ) from None


class GitPlace:
    """A Git repository that is pushed to; its server should refuse forced pushes."""

    def __init__(self, target: str, name: str) -> None:
        digest = hashlib.sha256(f"{name}\n{target}".encode()).hexdigest()[:16]
        self._clone = _checkpoint_git.Clone(
            target, folder=conf.state_dir() / "checkpoint-repositories" / digest
        )

    def publish(self, statement: Statement) -> None:
        """Commit and push the file, unless it is there."""
        try:
            self._clone.add(
                statement.file_name,
                statement.note.encode(),
                message=f"{statement.origin}: {statement.size}",
            )
        except _checkpoint_git.GitFailed as error:
            raise PlaceFailed(str(error)) from None

    def copies(self) -> Iterator[tuple[str, str]]:
        """Fetch, and read the files."""
        try:
            for name in newest_names(self._clone.fetch()):
                yield name, _text(self._clone.read(name))
        except _checkpoint_git.GitFailed as error:
            raise PlaceFailed(str(error)) from None


class EmailPlace:
    """A mailbox."""

    def __init__(self, target: str, _name: str) -> None:
        self._address = target

    def publish(self, statement: Statement) -> None:
        """Send the note as the text of a message."""
        subject = f"{statement.origin}: {statement.size}"
        try:
            send_mail(subject, statement.note, None, [self._address])
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise PlaceFailed(_mail_reason(error)) from None


class WebhookPlace:
    """A service that gets the note as JSON; the note is signed, so the request need not be."""

    def __init__(self, target: str, _name: str) -> None:
        self._target = target

    def publish(self, statement: Statement) -> None:
        """Post the note; any 2xx status means that it was taken."""
        body = json.dumps(
            {
                "origin": statement.origin,
                "size": statement.size,
                "root": statement.root,
                "note": statement.note,
            }
        ).encode()
        url = self._target
        try:
            if url.startswith(("env:", "file:")):
                url = parse_source(url)()
            status = asyncio.run(self._post(url, body))
        except (OSError, UnicodeDecodeError, ProviderError) as error:
            raise PlaceFailed(_reason(error)) from None
        if status not in range(200, 300):
            raise PlaceFailed(_("it answered with the status %s") % status)

    async def _post(self, url: str, body: bytes) -> int:
        limits = HttpLimits(
            read=_WEBHOOK_SECONDS, write=_WEBHOOK_SECONDS, total=_WEBHOOK_SECONDS, error_body=2.0
        )
        origins = frozenset(conf.get().trusted_origins)
        async with HttpClient(limits=limits, trusted_origins=origins) as client:
            reply = await client.send("POST", url, body=body, content_type="application/json")
        return reply.status


class LoggerPlace:
    """A logger of Python, whose handler in `LOGGING` sends its lines to a log server.

    Handlers report no failure: whether the line arrived, only the log server knows.
    """

    def __init__(self, target: str, _name: str) -> None:
        self._logger = logging.getLogger(target)

    def publish(self, statement: Statement) -> None:
        """Log one line of JSON with the note."""
        if not self._logger.isEnabledFor(logging.INFO) or not self._logger.hasHandlers():
            raise PlaceFailed(_("the logger has no handler, or a level above INFO"))
        self._logger.info("%s", json.dumps({"checkpoint": statement.note}))


KINDS: Final[dict[str, Callable[[str, str], Place]]] = {
    "storage": StoragePlace,
    "folder": FolderPlace,
    "git": GitPlace,
    "email": EmailPlace,
    "webhook": WebhookPlace,
    "logger": LoggerPlace,
}


def _mail_reason(error: Exception) -> str:
    """Return why a message was not sent, and what to do; a server's own words may name addresses."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _("the mail server refuses the login; check EMAIL_HOST_USER and EMAIL_HOST_PASSWORD")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _("the mail server refuses the recipient; check the place's TARGET")
    if isinstance(error, smtplib.SMTPSenderRefused):
        return _("the mail server refuses the sender; check DEFAULT_FROM_EMAIL")
    return _("the mail was not sent (%(error)s); check Django's settings for e-mail") % {
        "error": _reason(error)
    }


def _reason(error: Exception) -> str:
    """Return why something failed, in words of our own or of the operating system."""
    if isinstance(error, ProviderError):
        return error.detail or type(error).__name__
    if (
        isinstance(error, OSError)
        and error.strerror
        and not isinstance(error, smtplib.SMTPException)
    ):
        return error.strerror
    return type(error).__name__
