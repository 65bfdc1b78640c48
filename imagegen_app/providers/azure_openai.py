"""Speak to Azure OpenAI: OpenAI's Images API on two surfaces, with Azure's content filter.

A model is a deployment, which has a name of the site's own. On the surface `v1` the body names it, on
`deployments` the path does. 2026-11: no idempotency key and no look-up, so a lost answer stays unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from imagegen_app.core.data_handling import DataFact, facts
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.providers.families import openai_like, openai_models, statuses
from imagegen_app.providers.http import Auth
from imagegen_app.providers.remote import RESULT_HOSTS
from imagegen_app.providers.remote_openai import PARTIAL_IMAGES, RemoteOpenAI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.types import GenerationRequest, ProviderResult, RecoveryMethod
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import Reply

#: The surface `deployments` refuses calls without a version; this one has generations and edits.
DEFAULT_VERSION = "2025-04-01-preview"
_INNER_ERRORS = ("inner_error", "innererror")
_FILTERED = "responsibleaipolicyviolation"
_CONTENT_CODES = statuses.CONTENT_CODES | {_FILTERED}
#: The codes that say which of both was blocked: the prompt, or the images that were made.
_STAGES = {"content_policy_violation": "input", "contentfilter": "output"}
#: In the order in which they are believed.
_REQUEST_IDS = ("apim-request-id", "x-ms-request-id", "x-request-id")


class AzureOpenAI(RemoteOpenAI):
    """A resource at Azure."""

    name: ClassVar[str] = "azure_openai"
    label: ClassVar[str] = "Azure OpenAI"
    needs_credential: ClassVar[bool] = True
    #: 2026-11: each resource has a name of its own below these.
    hosts: ClassVar[tuple[str, ...]] = ("*.openai.azure.com",)
    data_handling: ClassVar[Mapping[str, DataFact]] = {
        **facts(
            source="https://learn.microsoft.com/en-us/legal/cognitive-services/openai/data-privacy",
            checked_on="2026-11-27",
            training="no",
        ),
        **facts(
            source="https://learn.microsoft.com/en-us/azure/foundry-classic/openai/concepts/default-safety-policies",
            checked_on="2026-11-27",
            marks=["c2pa"],
        ),
    }
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()
    example_models: ClassVar[tuple[str, ...]] = ("gpt-image-2",)
    request_id_header: ClassVar[str] = _REQUEST_IDS[0]
    further_id_headers: ClassVar[tuple[str, ...]] = _REQUEST_IDS[1:]
    kept_headers: ClassVar[frozenset[str]] = frozenset(_REQUEST_IDS)
    options: ClassVar[Mapping[str, Parameter]] = {
        "surface": Parameter(
            "choice",
            choices=("v1", "deployments"),
            default="v1",
            help=gettext_noop("Which form of the API is called; an address may say it, too."),
        ),
        "api_version": Parameter(
            "text",
            default="",
            help=gettext_noop("The version of the API; empty for the one that the address names."),
        ),
        "auth": Parameter(
            "choice",
            choices=("api_key", "entra"),
            default="api_key",
            help=gettext_noop("What the credential is: a key, or a source of Entra tokens."),
        ),
        "deployments": Parameter(
            "json",
            default={},
            help=gettext_noop("OpenAI's model by deployment, where its name does not tell it."),
        ),
        "partial_images": PARTIAL_IMAGES,
        "result_hosts": RESULT_HOSTS,
    }
    has_previews: ClassVar[bool] = True

    def auth_with(self, credential: Credential) -> Auth:
        if self.option("auth") == "entra":
            return Auth(credential)
        return Auth(credential, header="api-key", scheme="")

    def capabilities(self, model: str) -> Capabilities:
        served = self.option("deployments")
        name = str(served.get(model, model)) if isinstance(served, dict) else model
        return openai_models.capabilities(openai_models.named_in(name))

    def fields_of(self, request: GenerationRequest) -> dict[str, Any]:
        fields = super().fields_of(request)
        if "safety_identifier" in fields:
            # Azure documents the older name only.
            fields["user"] = fields.pop("safety_identifier")
        if self._has_deployments and openai_like.is_generation(request):
            # Beside the path, only OpenAI's own name would be taken.
            del fields["model"]
        return fields

    def images_path(self, aim: str, request: GenerationRequest) -> str:
        path = "/openai/v1"
        if self._has_deployments:
            path = f"/openai/deployments/{quote(request.model, safe='')}"
        return f"{path}/images/{aim}"

    def address(self, path: str) -> str:
        """Return the URL of a path of the resource; the version of the API stays at its end."""
        version = self.option("api_version") or self._given_version
        if not version and self._has_deployments:
            version = DEFAULT_VERSION
        query = f"?{urlencode({'api-version': version})}" if version else ""
        return self.results_base + path + query

    def error_of(self, reply: Reply) -> ProviderError:
        return statuses.classify(reply, content_codes=_CONTENT_CODES, error_of=_error_in)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        return openai_like.read_images(answer, error_of=_error_in)

    @property
    def results_base(self) -> str:
        """The resource's address, whichever of its pages it was copied from."""
        found = urlsplit(self.base)
        before = f"{found.path}/".partition("/openai/")[0].rstrip("/")
        return f"{found.scheme}://{found.netloc}{before}"

    @property
    def _given_version(self) -> str:
        return parse_qs(urlsplit(self.base).query).get("api-version", [""])[0]

    @property
    def _has_deployments(self) -> bool:
        is_named = "/openai/deployments/" in f"{urlsplit(self.base).path}/"
        return is_named or self.option("surface") == "deployments"


def _error_in(document: object) -> dict[str, Any]:
    """Return the error of a document, with what Azure's filter says of it; empty without one."""
    error = statuses.error_in(document)
    inner = _inner_error(error) or _inner_error(document)
    code = statuses.short_word(error, "code").lower()
    stage = _STAGES.get(code, "input" if error.get("param") == "prompt" else "")
    filtered = [*_filtered(inner), *_filtered(error)]
    if statuses.short_word(inner, "code").lower() == _FILTERED and code not in _CONTENT_CODES:
        error = {**error, "code": _FILTERED}
    elif not error:
        # The images of a success may be filtered one by one.
        items = value_at(document, "data")
        items = items if isinstance(items, list) else []
        filtered = [name for item in items for name in _filtered(item)]
        stage = "output"
    if not filtered:
        return error
    said = {"categories": list(dict.fromkeys(filtered)), "moderation_stage": stage}
    return {"moderation_details": said, **error, "code": error.get("code") or "content_filter"}


def _inner_error(place: object) -> dict[str, Any]:
    found = (value_at(place, name) for name in _INNER_ERRORS)
    return next((one for one in found if isinstance(one, dict)), {})


def _filtered(place: object) -> list[str]:
    """Return the categories that a filter blocked, not those that it only looked at."""
    results = value_at(place, "content_filter_results")
    if not isinstance(results, dict):
        return []
    return [str(name) for name, found in results.items() if value_at(found, "filtered") is True]
