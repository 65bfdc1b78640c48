"""Read workflows of providers whose models are workflows, by their adapters; nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.providers import registry
from imagegen_app.services.gateways.adapters import adapter_path

if TYPE_CHECKING:
    from imagegen_app.core.i18n import Message
    from imagegen_app.models import Provider


def workflow_problems(provider: Provider, document: object) -> tuple[Message, ...] | None:
    """Return what is wrong with a workflow by itself; None where the provider has no workflows."""
    try:
        return registry.workflow_problems(adapter_path(provider), document)
    except registry.UnknownAdapter:
        return None


def workflow_document(provider: Provider, exported: object) -> Any:
    """Return a workflow's document, made of what somebody exported; as it is for other providers."""
    try:
        return registry.workflow_document(adapter_path(provider), exported)
    except registry.UnknownAdapter:
        return exported
