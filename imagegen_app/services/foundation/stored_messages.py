"""Translate texts that are stored in English: error messages, remedies, and names of event data.

Jobs store the messages of `core.errors` untranslated, so that a log or an export reads the same
everywhere; pages pass them through `translate_stored`.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext

from imagegen_app.core import data_handling
from imagegen_app.core.errors import INCIDENT_MESSAGE
from imagegen_app.core.i18n import gettext_noop

#: Every fixed message that a job or a verdict may store, for `makemessages` to find.
STORED = (
    gettext_noop("The provider could not generate the image."),
    gettext_noop("Ask an image administrator."),
    gettext_noop("The provider refused the request as invalid."),
    gettext_noop("Change the size, count or parameters and try again."),
    gettext_noop("The model does not support what was requested; nothing was sent."),
    gettext_noop("Choose another value or another model."),
    gettext_noop("The provider does not accept our credential."),
    gettext_noop("The provider's credential has no value here; nothing was sent."),
    gettext_noop(
        "The store of the provider's key is set up wrongly or refuses this site; nothing was sent."
    ),
    gettext_noop(
        "An image administrator must correct the access to the store; the doctor (imagegen_doctor) "
        "says how."
    ),
    gettext_noop("The key of the provider cannot be read; nothing was sent."),
    gettext_noop("The provider cannot be called with the site's settings; nothing was sent."),
    gettext_noop("The provider redirected the call to another address; it was not followed."),
    gettext_noop("An image administrator must renew the provider's credential."),
    gettext_noop("The provider does not allow our account to use this model."),
    gettext_noop("An image administrator must check the account at the provider."),
    gettext_noop(
        "The provider does not know this model or address; the model may have been retired."
    ),
    gettext_noop("Choose another model; an image administrator should check this one's lifecycle."),
    gettext_noop("The provider's rate limit is reached."),
    gettext_noop("Wait; the job continues automatically."),
    gettext_noop("Request it again later, or choose another model."),
    gettext_noop("The provider's safety system refused the request."),
    gettext_noop("Change the prompt or the input image, then try again."),
    gettext_noop("The content check closed this for good; nobody can release it."),
    gettext_noop("Our account at the provider has no credit left."),
    gettext_noop("An image administrator must raise the limit at the provider."),
    gettext_noop("The provider's service is unavailable."),
    gettext_noop("The provider could not be reached in time; nothing was started."),
    gettext_noop("The request was sent, but no answer arrived: it may have been billed."),
    gettext_noop(
        "The provider's answer began, but came too slowly and was given up: it has probably been billed."
    ),
    gettext_noop(
        "The provider's answer began, but the connection broke: it has probably been billed."
    ),
    gettext_noop("Ask an image administrator: they decide whether the image is requested again."),
    gettext_noop("The provider answered, but the answer cannot be used; it was probably billed."),
    gettext_noop(
        "Try again, or choose another model; tell an image administrator if it happens again."
    ),
    gettext_noop(
        "The answer came and could not be kept: the disk of the spool was full or failed."
    ),
    gettext_noop(
        "An image administrator must make room on the worker's disk; then request it again."
    ),
    gettext_noop(
        "The image could not be marked and signed as AI-generated, so it cannot be published."
    ),
    gettext_noop(
        "Tell an image administrator: the attempt's record has the reason, the answer is kept."
    ),
    gettext_noop("The file is not an image that we accept."),
    gettext_noop("The worker crashed three times on this job."),
    gettext_noop("Tell an image administrator: this job or its images crash the worker."),
    gettext_noop("The site's own software failed unexpectedly."),
    gettext_noop("The site's own software failed unexpectedly (incident %(incident)s)."),
    gettext_noop("Tell an image administrator; the log of the worker has the details."),
    gettext_noop("The file of an input image is missing from the storage; nothing was sent."),
    gettext_noop(
        "Choose the image again, or another one; tell an image administrator of the missing file."
    ),
    gettext_noop(
        "The storage did not give the input images before the job's deadline; nothing was sent."
    ),
    gettext_noop("Request it again once an image administrator has repaired the storage."),
    gettext_noop("The storage did not take the images before the job's deadline."),
    gettext_noop("An image administrator must repair the storage; the provider's answer is kept."),
    gettext_noop("Data that the job needs no longer exists."),
    gettext_noop("Request the image again."),
    gettext_noop("The requester no longer has a grant for this model."),
    gettext_noop("Ask an image administrator for a grant."),
    gettext_noop("The provider generated fewer usable images than requested."),
    gettext_noop("Request the missing images again."),
    gettext_noop("The content check blocked the request."),
    gettext_noop("The content check blocked the image."),
    gettext_noop("Cancelled; nothing was billed."),
    gettext_noop("Cancelled, but it was billed."),
    gettext_noop("The job was not finished before its deadline."),
    gettext_noop("Request it again."),
    gettext_noop("The previous pass produced no image."),
    gettext_noop("Request the previous pass again."),
    gettext_noop("The content check could not decide; try again in a few minutes."),
    gettext_noop("Reword the prompt: it contains a blocked term."),
)
#: Labels of the keys of an event's data.
FACT_LABELS = {
    "action": gettext_noop("action"),
    "added": gettext_noop("added"),
    "after": gettext_noop("after"),
    "alt_text": gettext_noop("alternative text"),
    "amount": gettext_noop("amount"),
    "attempt": gettext_noop("attempt"),
    "because": gettext_noop("reason"),
    "brand_kit": gettext_noop("brand kit"),
    "brand_kit_version": gettext_noop("brand kit version"),
    "kit": gettext_noop("brand kit"),
    "inputs_from": gettext_noop("input images from"),
    "minutes": gettext_noop("minutes"),
    "search": gettext_noop("words searched for"),
    "before": gettext_noop("before"),
    "budget": gettext_noop("budget"),
    "spending_limit": gettext_noop("spending limit"),
    "captioner": gettext_noop("captioner"),
    "marks": gettext_noop("marks"),
    "captioner_model": gettext_noop("captioner's model"),
    "categories": gettext_noop("categories"),
    "changes": gettext_noop("changes"),
    "columns": gettext_noop("columns searched"),
    "copies": gettext_noop("copies in the site's content"),
    "elsewhere": gettext_noop("the same words elsewhere"),
    "files": gettext_noop("files"),
    "found": gettext_noop("found again"),
    "not_searched": gettext_noop("not searched"),
    "texts": gettext_noop("texts that were looked for"),
    "cost": gettext_noop("cost"),
    "claimed_media_type": gettext_noop("media type that the provider named"),
    "count": gettext_noop("count"),
    "credentials": gettext_noop("content credentials"),
    "currency": gettext_noop("currency"),
    "data_handling": gettext_noop("data handling"),
    "decision": gettext_noop("decision"),
    "delay_seconds": gettext_noop("seconds to wait"),
    "delivery": gettext_noop("delivery"),
    "detail": gettext_noop("detail"),
    "digital_source_type": gettext_noop("digital source type"),
    "earlier": gettext_noop("reused from"),
    "error": gettext_noop("error"),
    "estimated_cost": gettext_noop("estimated cost"),
    "failed": gettext_noop("failed"),
    "field": gettext_noop("field"),
    "failure": gettext_noop("failed because"),
    "finding": gettext_noop("finding"),
    "found_by": gettext_noop("found by the job"),
    "hard_category": gettext_noop("hard category"),
    "screener_model": gettext_noop("model of the content check"),
    "follows": gettext_noop("continues from"),
    "digest": gettext_noop("digest"),
    "from": gettext_noop("from"),
    "ground": gettext_noop("reason"),
    "table": gettext_noop("uploaded table"),
    "group": gettext_noop("group"),
    "group_name": gettext_noop("group"),
    "groups": gettext_noop("groups"),
    "ignored": gettext_noop("values of the provider that were left out"),
    "is_active": gettext_noop("may sign in"),
    "is_decorative": gettext_noop("decorative"),
    "is_enabled": gettext_noop("enabled"),
    "is_staff": gettext_noop("may use the administration"),
    "is_superuser": gettext_noop("superuser"),
    "jobs": gettext_noop("jobs"),
    "kind": gettext_noop("kind"),
    "lifecycle": gettext_noop("lifecycle"),
    "limit": gettext_noop("limit"),
    "max_count": gettext_noop("max. images per job"),
    "max_pixels": gettext_noop("max. pixels per image"),
    "members": gettext_noop("members"),
    "model": gettext_noop("model"),
    "model_version": gettext_noop("model version"),
    "name": gettext_noop("name"),
    "negative_prompt": gettext_noop("negative prompt"),
    "note": gettext_noop("note"),
    "number": gettext_noop("attempt"),
    "operation": gettext_noop("operation"),
    "operations": gettext_noop("operations"),
    "original_sha256": gettext_noop("SHA-256 of the original"),
    "outcome": gettext_noop("outcome"),
    "period": gettext_noop("period"),
    "permissions": gettext_noop("permissions"),
    "pilot_rows": gettext_noop("pilot"),
    "placement": gettext_noop("placement"),
    "prompt": gettext_noop("prompt"),
    "provider": gettext_noop("provider"),
    "provider_model_name": gettext_noop("model name at the provider"),
    "purpose": gettext_noop("paid for"),
    "reason": gettext_noop("reason"),
    "reason_code": gettext_noop("reason"),
    "ref": gettext_noop("reference"),
    "removed": gettext_noop("removed"),
    "renditions": gettext_noop("renditions"),
    "rule": gettext_noop("rule"),
    "scope": gettext_noop("applies to"),
    "scores": gettext_noop("scores"),
    "screened": gettext_noop("screened"),
    "screener": gettext_noop("content check"),
    "seed": gettext_noop("seed"),
    "sha256": gettext_noop("SHA-256"),
    "size": gettext_noop("size"),
    "stage": gettext_noop("checked content"),
    "stamped_at": gettext_noop("stamped"),
    "status": gettext_noop("status"),
    "subject": gettext_noop("subject"),
    "succeeded": gettext_noop("completed"),
    "suggestion": gettext_noop("suggested text"),
    "target": gettext_noop("target"),
    "target_label": gettext_noop("target"),
    "template": gettext_noop("template"),
    "template_version": gettext_noop("template version"),
    "tries": gettext_noop("attempts so far"),
    "unpriced": gettext_noop("tokens without a price"),
    "variables": gettext_noop("variables"),
    "version": gettext_noop("version"),
    "wanted": gettext_noop("requested images"),
    "was_billed": gettext_noop("was billed"),
    **data_handling.LABELS,
}


_INCIDENT = re.compile(
    re.escape(INCIDENT_MESSAGE).replace(re.escape("%(incident)s"), r"(?P<incident>[0-9a-f]{8})")
)


def translate_stored(text: str) -> str:
    """Return a stored message in the active language; unknown texts are returned unchanged."""
    incident = _INCIDENT.fullmatch(text)
    if incident:
        return gettext(INCIDENT_MESSAGE) % incident.groupdict()
    return gettext(text) if text else ""


def screened_part(code: str) -> str:
    """Return the label of a checked part such as `input_image:2`; of an unknown one, its code."""
    name, _colon, number = code.partition(":")
    labels = {
        "prompt": gettext("prompt"),
        "negative_prompt": gettext("negative prompt"),
        "input_image": gettext("input image %(number)s"),
        "output_image": gettext("image %(number)s"),
        "alt_text": gettext("suggested alternative text"),
    }
    return labels[name] % {"number": number} if name in labels else code


def fact_label(key: str) -> str:
    """Return the label of a key of an event's data."""
    return gettext(FACT_LABELS[key]) if key in FACT_LABELS else key.replace("_", " ")
