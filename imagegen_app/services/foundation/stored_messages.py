"""Say in the reader's language what is stored in English: troubles and their remedies.

Jobs keep the sentences of `core.errors` as they are, so that a log or an export reads the same
everywhere; pages pass them through `translated`.
"""

from __future__ import annotations

from django.utils.translation import gettext

from imagegen_app.core.words import gettext_noop

#: Every fixed sentence that a job or a verdict may hold.
STORED = (
    gettext_noop("The provider could not make the image."),
    gettext_noop("Ask an image administrator."),
    gettext_noop("The provider refused the request as malformed."),
    gettext_noop("Change the size, count or parameters and try again."),
    gettext_noop("The model does not offer what was asked; nothing was sent."),
    gettext_noop("Choose another value or another model."),
    gettext_noop("The provider does not accept our credential."),
    gettext_noop("An image administrator must renew the provider's credential."),
    gettext_noop("The provider does not let our account use this model."),
    gettext_noop("An image administrator must check the account at the provider."),
    gettext_noop("The provider does not know this model or address; it may be retired."),
    gettext_noop("Choose another model; an image administrator should check this one's lifecycle."),
    gettext_noop("The provider asks us to slow down."),
    gettext_noop("Wait; the job continues by itself."),
    gettext_noop("The provider's safety system refused the request."),
    gettext_noop("Change the wording or the input image, then try again."),
    gettext_noop("Our account at the provider has no credit left."),
    gettext_noop("An image administrator must raise the limit at the provider."),
    gettext_noop("The provider is out of order."),
    gettext_noop("The provider could not be reached in time; nothing was begun."),
    gettext_noop("The request was sent and no answer came: it may have been billed."),
    gettext_noop("Check the provider's bill, then close the job or let it be sent again."),
    gettext_noop("The provider answered, but the answer cannot be used; it was probably billed."),
    gettext_noop("Try again, or choose another model; tell an image administrator if it repeats."),
    gettext_noop("The bytes are no picture that we accept."),
    gettext_noop("Use a single PNG, JPEG, WebP or AVIF picture within the limits."),
    gettext_noop("The worker died three times over this job."),
    gettext_noop("Tell an image administrator: this request or its images break the worker."),
    gettext_noop("What the job needs is no longer there."),
    gettext_noop("Request the image again."),
    gettext_noop("The requester may no longer use this model."),
    gettext_noop("Ask your image administrators for a grant."),
    gettext_noop("The provider made fewer usable images than were asked for."),
    gettext_noop("Request the missing ones again."),
    gettext_noop("The request was refused by screening."),
    gettext_noop("The image was refused by screening."),
    gettext_noop("Cancelled; nothing was billed."),
    gettext_noop("Cancelled; it was billed all the same."),
    gettext_noop("The job was not made before its deadline."),
    gettext_noop("Request it again."),
    gettext_noop("The step before it made no image."),
    gettext_noop("Request the step before it again."),
    gettext_noop("The screener could not decide; try again in a few minutes."),
    gettext_noop("Take the named words out of the prompt."),
)
#: What the facts of an event are called.
FACTS = {
    "action": gettext_noop("action"),
    "after": gettext_noop("after"),
    "amount": gettext_noop("amount"),
    "attempt": gettext_noop("attempt"),
    "before": gettext_noop("before"),
    "budget": gettext_noop("budget"),
    "cap": gettext_noop("at most"),
    "captioner": gettext_noop("captioner"),
    "categories": gettext_noop("categories"),
    "cost": gettext_noop("cost"),
    "claimed_media_type": gettext_noop("media type that the provider named"),
    "count": gettext_noop("number"),
    "currency": gettext_noop("currency"),
    "decision": gettext_noop("decision"),
    "delay_seconds": gettext_noop("seconds to wait"),
    "detail": gettext_noop("detail"),
    "error": gettext_noop("error"),
    "estimated_cost": gettext_noop("estimated cost"),
    "failed": gettext_noop("failed"),
    "field": gettext_noop("field"),
    "group": gettext_noop("group"),
    "kind": gettext_noop("kind"),
    "model": gettext_noop("model"),
    "model_version": gettext_noop("model version"),
    "note": gettext_noop("note"),
    "operation": gettext_noop("operation"),
    "outcome": gettext_noop("outcome"),
    "placement": gettext_noop("placement"),
    "purpose": gettext_noop("paid for"),
    "provider": gettext_noop("provider"),
    "reason": gettext_noop("reason"),
    "reason_code": gettext_noop("reason"),
    "ref": gettext_noop("reference"),
    "rule": gettext_noop("rule"),
    "screened": gettext_noop("screened"),
    "screener": gettext_noop("screener"),
    "seed": gettext_noop("seed"),
    "sha256": gettext_noop("SHA-256"),
    "size": gettext_noop("size"),
    "stage": gettext_noop("stage"),
    "status": gettext_noop("status"),
    "subject": gettext_noop("subject"),
    "succeeded": gettext_noop("succeeded"),
    "suggestion": gettext_noop("suggested words"),
    "target": gettext_noop("target"),
    "target_label": gettext_noop("target"),
    "template": gettext_noop("template"),
    "template_version": gettext_noop("template version"),
    "tries": gettext_noop("attempts made"),
    "version": gettext_noop("version"),
    "wanted": gettext_noop("wanted"),
    "was_billed": gettext_noop("was billed"),
}


def translated(text: str) -> str:
    """Return a stored sentence in the reader's language; one that is not fixed stays as it is."""
    return gettext(text) if text else ""


def screened_part(code: str) -> str:
    """Return what the part of a request or an answer is called that a screener looked at."""
    name, _colon, number = code.partition(":")
    known = {
        "prompt": gettext("prompt"),
        "negative_prompt": gettext("negative prompt"),
        "input_image": gettext("input image %(number)s"),
        "output_image": gettext("image %(number)s"),
    }
    return known[name] % {"number": number} if name in known else code


def fact_name(key: str) -> str:
    """Return what a fact of an event is called."""
    return gettext(FACTS[key]) if key in FACTS else key.replace("_", " ")
