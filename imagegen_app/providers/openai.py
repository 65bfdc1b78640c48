"""Speak to OpenAI's Images API and to servers that copy it.

Synchronous: one POST, an answer of base64 ten seconds to minutes later, no job and no look-up.
2026-11: OpenAI sends and honours no idempotency key, so a lost answer stays unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from imagegen_app.core.data_handling import DataFact, facts
from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.providers.families import described_models, openai_models, provenance_checks
from imagegen_app.providers.remote import RESULT_HOSTS
from imagegen_app.providers.remote_openai import PARTIAL_IMAGES, RemoteOpenAI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.checked_marks import CheckedMark
    from imagegen_app.core.model_descriptions import ModelDescription
    from imagegen_app.core.types import RecoveryMethod

#: A list of models.
MAX_LIST_BYTES = 8 * 1024 * 1024
BASE_URL = "https://api.openai.com/v1"


class OpenAI(RemoteOpenAI):
    """An account at OpenAI, or at a server that copies its Images API."""

    name: ClassVar[str] = "openai"
    label: ClassVar[str] = "OpenAI, or a server that speaks like it"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = BASE_URL
    key_check_path: ClassVar[str] = "/models"
    #: 2026-11: those of the regions in which data stay.
    hosts: ClassVar[tuple[str, ...]] = ("*.api.openai.com",)
    data_handling: ClassVar[Mapping[str, DataFact]] = {
        **facts(
            source="https://developers.openai.com/docs/guides/your-data",
            checked_on="2026-11-27",
            input_retention=720,
            output_retention=720,
            zero_retention="on_request",
            training="opt_in",
        ),
        # By what its check of images looks for.
        **facts(
            source="https://github.com/openai/openai-python",
            checked_on="2026-11-20",
            marks=["c2pa", "synthid"],
        ),
    }
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()
    example_models: ClassVar[tuple[str, ...]] = ("gpt-image-2.6-flare",)
    options: ClassVar[Mapping[str, Parameter]] = {
        "organization": Parameter(
            "text", default="", help=gettext_noop("The organization that is billed.")
        ),
        "project": Parameter("text", default="", help=gettext_noop("The project that is billed.")),
        "partial_images": PARTIAL_IMAGES,
        "provenance_checks": Parameter(
            "bool",
            default=False,
            help=gettext_noop(
                "Whether compliance staff may send images to OpenAI once more, to learn which of its "
                "marks it finds."
            ),
        ),
        "result_hosts": RESULT_HOSTS,
    }
    has_previews: ClassVar[bool] = True

    def capabilities(self, model: str) -> Capabilities:
        return openai_models.capabilities(model)

    async def describe_model(self, model: str) -> ModelDescription:
        """Return whether the account has a model, and when it is turned off."""
        _, document = await self.query("/models", limit=MAX_LIST_BYTES)
        return described_models.of_openai(document, model)

    def call_headers(self) -> dict[str, str]:
        given = {
            "OpenAI-Organization": self.option("organization"),
            "OpenAI-Project": self.option("project"),
        }
        return {header: value for header, value in given.items() if value}

    async def check_marks(self, data: bytes, *, media_type: str) -> tuple[CheckedMark, ...]:
        """Ask which marks OpenAI finds in a file: its Content Credentials and SynthID.

        2026-11: no price is named for it; it finds marks of OpenAI's own models alone.

        :raises ProviderError: if it cannot be asked, or its answer says nothing.
        """
        if not provenance_checks.can_read(media_type):
            raise UnsupportedParameter(detail=f"the check takes no {media_type}")
        form = provenance_checks.form_of(data, media_type)
        reply = await self.send(
            "POST",
            provenance_checks.PATH,
            body=form.body,
            content_type=form.content_type,
            headers=self.call_headers(),
        )
        if not reply.ok:
            raise self.error_of(reply)
        return provenance_checks.read_results(reply)
