"""Tell why enabled providers cannot be called: their address, their adapter or their key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.models import Provider
from imagegen_app.services.gateways import adapters

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class ProviderProblem:
    """Why a provider cannot be called, in the reader's language."""

    provider: Provider
    #: What is wrong, and why.
    message: str
    #: What to do; empty where the message says it.
    remedy: str


def provider_problems() -> Iterator[ProviderProblem]:
    """Yield what keeps each enabled provider from being called; nothing is sent."""
    for provider in Provider.objects.filter(is_enabled=True).order_by("slug"):
        try:
            adapters.check_provider(provider)
        except adapters.BaseUrlNotAllowed as error:
            told = _(error.problem.text) % error.problem.values
            yield ProviderProblem(provider, _sentence(provider, told), "")
        except adapters.CredentialNotAllowed as error:
            yield ProviderProblem(provider, _sentence(provider, str(error)), "")
        except adapters.ProviderNotConfigured as error:
            yield ProviderProblem(provider, _sentence(provider, str(error)), _remedy())
        except Exception as error:  # noqa: BLE001 - one provider's failure hides no other's
            # Only our own words: another exception's text may hold a key.
            yield ProviderProblem(provider, _sentence(provider, type(error).__name__), _remedy())


def _sentence(provider: Provider, error: str) -> str:
    return _("The provider %(provider)s cannot be called: %(error)s") % {
        "provider": provider.slug,
        "error": error,
    }


def _remedy() -> str:
    return _("Set its credential in the environment of the workers.")
