"""Upload workflows as versions, checked by themselves and against the server that is to run them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final
from unicodedata import category

from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.errors import ProviderError
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.models import ImageModel, Provider, WorkflowVersion
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import adapters, model_lookup, workflow_documents
from imagegen_app.services.policy import access
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.i18n import Message
    from imagegen_app.core.types import Operation

#: The largest workflow that is taken; a drawn one has some ten thousand bytes.
MAX_WORKFLOW_BYTES: Final = 1_000_000

#: Unicode's categories of control characters, halves of pairs, and ends of lines and paragraphs.
_NOT_OF_ONE_LINE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})

#: Problems as they are stored: a text in English and its values, each.
StoredProblems = list[list[Any]]


class WorkflowRefused(InvalidRecord):
    """A workflow does not fit together; `problems` says everything that is wrong, for people."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems), field="file")
        self.problems = tuple(problems)


def read_document(data: bytes) -> Any:
    """Return a workflow's file as JSON.

    :raises InvalidRecord: if it is too large, or no JSON.
    """
    _require_size(len(data))
    try:
        return load_json(data)
    except InvalidJson:
        raise InvalidRecord(_("The file is not JSON."), field="file") from None


def document_of(
    provider: Provider,
    exported: Any,
    *,
    slots: Any = None,
    operations: Sequence[str] = (),
) -> Any:
    """Return the document of an exported workflow, with the slots and operations that are given.

    Without slots, those are kept that the file has, or suggested where it is a bare export.
    """
    document = workflow_documents.workflow_document(provider, exported)
    if not isinstance(document, dict):
        return document
    named = {"operations": list(operations)} if operations else {}
    return {**document, **({} if slots is None else {"slots": slots}), **named}


def require_fitting(provider: Provider, document: object) -> None:
    """Require that a workflow fits together by itself; nothing is asked.

    :raises InvalidRecord: if the provider's models are no workflows, or it is too large or cannot be
        stored.
    :raises WorkflowRefused: if something is wrong, with all of it.
    """
    text = _as_text(document)
    _require_size(0 if text is None else len(text))
    found = workflow_documents.workflow_problems(provider, document)
    if found is None:
        raise InvalidRecord(_("The models of this provider are no workflows."), field="provider")
    if found:
        raise WorkflowRefused(in_words(_stored(found)))
    if text is None or b"\\u0000" in text:
        raise InvalidRecord(
            _("It has numbers or characters that cannot be stored, such as NaN."), field="file"
        )


def require_name(name: str) -> None:
    """Require that a workflow can be called so: on one line, and not longer than its column.

    :raises InvalidRecord: if not.
    """
    most = WorkflowVersion._meta.get_field("name").max_length or 0  # noqa: SLF001 - Django's documented API
    if not 0 < len(name.strip()) <= most or any(category(c) in _NOT_OF_ONE_LINE for c in name):
        text = _("A workflow needs a name of one line and at most %(most)s characters.")
        raise InvalidRecord(text % {"most": most}, field="name")


def upload(
    *, actor: Actor, provider: Provider, name: str, document: Any, note: str = ""
) -> WorkflowVersion:
    """Store a workflow as the next version of its name, with what its server says of it.

    The server is asked first; where it does not answer, the version is stored unchecked. A workflow
    that is the latest version already is returned, and nothing changes.

    :raises NotPermitted: if the actor may not add workflows.
    :raises InvalidRecord: if the provider's models are no workflows, or this one is too large, does not
        fit together, or has no name that can be stored.
    """
    access.require_permission(actor, "add_workflowversion")
    name = name.strip()
    require_name(name)
    require_fitting(provider, document)
    found = _ask_server(provider, name, document)
    return _store(
        actor=actor, provider=provider, name=name, document=document, note=note, found=found
    )


def check(*, actor: Actor, version: WorkflowVersion) -> WorkflowVersion:
    """Ask the server again whether it can run a version, and store what it says.

    :raises NotPermitted: if the actor may not add workflows.
    :raises ActionRefused: if the server cannot be asked now.
    """
    access.require_permission(actor, "add_workflowversion")
    found = _ask_server(version.provider, version.name, version.document)
    if found is None:
        raise access.ActionRefused(
            _("The server could not be asked."),
            reason=_("It cannot be reached, or does not describe its nodes."),
            remedy=_("Check the provider's address, credential and options, then ask again."),
        )
    return _store_check(actor=actor, version=version, found=found)


def operations_of(version: WorkflowVersion) -> list[Operation]:
    """Return what a version is for, as it says or as its slots tell."""
    offered = adapters.capabilities(_candidate(version.provider, version.name, version.document))
    return sorted(offered.operations)


def in_words(problems: StoredProblems) -> list[str]:
    """Return stored problems as sentences in the active language."""
    found = []
    for text, values in problems:
        sentence = _(text) % values
        # A name at the beginning is written as it is.
        first = sentence[:1] if text.startswith("%(") else sentence[:1].upper()
        found.append(f"{first}{sentence[1:]}.")
    return found


@use_case()
def _store(
    *,
    actor: Actor,
    provider: Provider,
    name: str,
    document: Any,
    note: str,
    found: StoredProblems | None,
) -> WorkflowVersion:
    # A lock that every upload to this provider takes: the number is the next one.
    Provider.objects.select_for_update().get(pk=provider.pk)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    earlier = WorkflowVersion.objects.filter(provider=provider, name=name)
    last: WorkflowVersion | None = earlier.order_by("-number").first()
    if last is not None and last.digest == digest:
        return last
    version: WorkflowVersion = WorkflowVersion.objects.create(
        provider=provider,
        name=name,
        number=1 if last is None else last.number + 1,
        document=document,
        digest=digest,
        problems=found or [],
        checked_at=None if found is None else clock.now(),
        note=note[:200],
        created_by=actor.user if isinstance(actor, Person) else None,
    )
    event_log.record(
        actor,
        "workflow.version_uploaded",
        subject=version,
        data={
            "workflow": name,
            "version": version.number,
            "provider": provider.slug,
            "digest": digest,
            "count": len(version.problems),
        },
        personal={"note": note},
    )
    return version


@use_case()
def _store_check(
    *, actor: Actor, version: WorkflowVersion, found: StoredProblems
) -> WorkflowVersion:
    stored: WorkflowVersion = WorkflowVersion.objects.select_for_update().get(pk=version.pk)
    if stored.checked_at is not None and stored.problems == found:
        return stored
    stored.problems, stored.checked_at = found, clock.now()
    stored.save(update_fields=["problems", "checked_at"])
    event_log.record(
        actor,
        "workflow.version_checked",
        subject=stored,
        data={"workflow": stored.name, "version": stored.number, "count": len(found)},
    )
    return stored


def _ask_server(provider: Provider, name: str, document: Any) -> StoredProblems | None:
    """Return what does not fit the server; None if it cannot be asked now."""
    try:
        description = model_lookup.describe_model(_candidate(provider, name, document))
    except (ProviderError, adapters.ProviderNotConfigured):
        return None
    return None if description is None else _stored(description.problems)


def _candidate(provider: Provider, name: str, document: Any) -> ImageModel:
    """Return a model, not stored, that is the workflow."""
    workflow = WorkflowVersion(provider=provider, name=name, document=document)
    return ImageModel(provider=provider, provider_model_name=name, workflow=workflow)


def _as_text(document: object) -> bytes | None:
    """Return a document as compact JSON; None if not every database takes it."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (ValueError, TypeError, RecursionError):
        # Not a number, infinite, half of a surrogate pair, endless, or nothing that JSON has.
        return None


def _require_size(size: int) -> None:
    if size > MAX_WORKFLOW_BYTES:
        limit = f"{MAX_WORKFLOW_BYTES // 1000:,}"
        text = _("The file is larger than %(limit)s kB: this is no workflow.")
        raise InvalidRecord(text % {"limit": limit}, field="file")


def _stored(problems: Iterable[Message]) -> StoredProblems:
    return [[one.text, dict(one.values)] for one in problems]
