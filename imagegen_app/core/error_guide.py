"""Say of every error that a job or an attempt can store whose matter it is and what to do about it.

Pages look an error up by its code: the class that raised it may not be loaded where they are made.
The documentation's page about troubleshooting has a section for every code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imagegen_app.core.errors import Billed, all_errors
from imagegen_app.core.i18n import gettext_noop


class Cause(StrEnum):
    """Whose matter an error is."""

    #: What was requested: the prompt, the images or the settings. Only these are the editor's.
    REQUEST = "the request"
    #: The site's account at the provider: its key, its rights, its credit.
    ACCOUNT = "the site's account at the provider"
    #: The provider's service.
    PROVIDER = "the provider"
    #: The site: its workers, its storage, its settings.
    SITE = "the site"
    #: A time limit or a connection; nobody can tell whose.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ErrorGuide:
    """What people are told about one error."""

    cause: Cause
    #: Whether the provider has billed the call, as a rule; an error may know better.
    billed: Billed
    #: What the editor can do, in one line.
    remedy: str
    #: What an administrator can do, in one line; empty only for errors that we do not know.
    administrator: str = ""


_WAIT = gettext_noop("Wait; the job continues automatically.")
_AGAIN = gettext_noop(
    "Try again, or choose another model; tell an image administrator if it happens again."
)
_ASK_WHETHER = gettext_noop(
    "Ask an image administrator: they decide whether the image is requested again."
)
_COMPARE = gettext_noop(
    "Search the provider's bill or log for the idempotency key or the time of the call, then close "
    "the job or have it sent again."
)

GUIDES: dict[str, ErrorGuide] = {
    "provider_error": ErrorGuide(
        Cause.PROVIDER,
        "no",
        gettext_noop("Ask an image administrator."),
        gettext_noop("Read the attempt's detail, and ask the provider with its request ID."),
    ),
    "invalid_request": ErrorGuide(
        Cause.REQUEST,
        "no",
        gettext_noop("Change the size, count or parameters and try again."),
        gettext_noop(
            "If several people meet this, correct the model's capabilities: the attempt's detail "
            "names what was refused."
        ),
    ),
    "unsupported_parameter": ErrorGuide(
        Cause.REQUEST,
        "no",
        gettext_noop("Choose another value or another model."),
        gettext_noop("If the model can do it, correct its capabilities."),
    ),
    "authentication_failed": ErrorGuide(
        Cause.ACCOUNT,
        "no",
        gettext_noop("An image administrator must renew the provider's credential."),
        gettext_noop("Renew the key at the provider, and put it where its source reads it."),
    ),
    "key_store_refused": ErrorGuide(
        Cause.SITE,
        "no",
        gettext_noop(
            "An image administrator must correct the access to the store; the doctor "
            "(imagegen_doctor) says how."
        ),
        gettext_noop(
            "Correct the workers' access to the store of keys: imagegen_doctor repeats what it "
            "answered, and what to change."
        ),
    ),
    "permission_denied": ErrorGuide(
        Cause.ACCOUNT,
        "no",
        gettext_noop("An image administrator must check the account at the provider."),
        gettext_noop(
            "Look at the provider whether the account is blocked, not verified, or without access "
            "to this model."
        ),
    ),
    "not_found": ErrorGuide(
        Cause.SITE,
        "no",
        gettext_noop(
            "Choose another model; an image administrator should check this one's lifecycle."
        ),
        gettext_noop(
            "Compare the base URL and the model's name with the provider's documentation, and "
            "retire the model if it is gone."
        ),
    ),
    "rate_limited": ErrorGuide(
        Cause.ACCOUNT,
        "no",
        _WAIT,
        gettext_noop(
            "If it happens often, lower the calls per minute of the provider's record, or ask the "
            "provider for a higher limit."
        ),
    ),
    "content_blocked": ErrorGuide(
        Cause.REQUEST,
        "no",
        gettext_noop("Change the prompt or the input image, then try again."),
        gettext_noop("If harmless requests are blocked, compare the model's safety options."),
    ),
    "quota_exhausted": ErrorGuide(
        Cause.ACCOUNT,
        "no",
        gettext_noop("An image administrator must raise the limit at the provider."),
        gettext_noop("Add credit or raise the spending limit at the provider."),
    ),
    "provider_unavailable": ErrorGuide(
        Cause.PROVIDER,
        "no",
        _WAIT,
        gettext_noop("Look at the provider's status page, and give the model a fallback model."),
    ),
    "provider_timeout": ErrorGuide(
        Cause.PROVIDER,
        "no",
        _WAIT,
        gettext_noop("Check the base URL, the name look-up and the firewall of the workers."),
    ),
    "outcome_unknown": ErrorGuide(Cause.UNKNOWN, "unknown", _ASK_WHETHER, _COMPARE),
    "answer_timed_out": ErrorGuide(Cause.UNKNOWN, "unknown", _ASK_WHETHER, _COMPARE),
    "answer_cut_off": ErrorGuide(Cause.UNKNOWN, "unknown", _ASK_WHETHER, _COMPARE),
    "bad_response": ErrorGuide(
        Cause.PROVIDER,
        "yes",
        _AGAIN,
        gettext_noop("Read the kept answer again after an upgrade, or report it with its detail."),
    ),
    "answer_not_kept": ErrorGuide(
        Cause.SITE,
        "yes",
        gettext_noop(
            "An image administrator must make room on the worker's disk; then request it again."
        ),
        gettext_noop("Make room in the state folder, and look into the doctor's report."),
    ),
    "internal_error": ErrorGuide(
        Cause.SITE,
        "no",
        gettext_noop("Tell an image administrator; the log of the worker has the details."),
        gettext_noop("Search the worker's log for the incident, and report it."),
    ),
    "worker_lost_repeatedly": ErrorGuide(
        Cause.SITE,
        "no",
        gettext_noop("Tell an image administrator: this job or its images crash the worker."),
        gettext_noop("Look for a memory limit or a crash in the log of the worker's service."),
    ),
    "request_gone": ErrorGuide(
        Cause.SITE,
        "no",
        gettext_noop("Request the image again."),
        gettext_noop("Find out who deleted rows or files that a running job needed."),
    ),
    "not_granted": ErrorGuide(
        Cause.SITE,
        "no",
        gettext_noop("Ask an image administrator for a grant."),
        gettext_noop("Add or extend a grant, if the person is to use this model."),
    ),
    "fewer_images": ErrorGuide(
        Cause.PROVIDER,
        "yes",
        gettext_noop("Request the missing images again."),
        gettext_noop(
            "Read the kept answer again, if one was kept: it may hold the missing images."
        ),
    ),
    "not_publishable": ErrorGuide(
        Cause.SITE,
        "yes",
        gettext_noop(
            "Tell an image administrator: the attempt's record has the reason, the answer is kept."
        ),
        gettext_noop("Repair the signing with the help of the doctor, then read the answer again."),
    ),
    "input_missing": ErrorGuide(
        Cause.SITE,
        "no",
        gettext_noop(
            "Choose the image again, or another one; tell an image administrator of the missing file."
        ),
        gettext_noop("Restore the file in the storage."),
    ),
    "inputs_unreadable": ErrorGuide(
        Cause.SITE,
        "no",
        gettext_noop("Request it again once an image administrator has repaired the storage."),
        gettext_noop("Repair the storage, and look into the doctor's report."),
    ),
    "images_not_stored": ErrorGuide(
        Cause.SITE,
        "yes",
        gettext_noop(
            "An image administrator must repair the storage; the provider's answer is kept."
        ),
        gettext_noop("Repair the storage, then read the kept answer again."),
    ),
    "bad_image": ErrorGuide(
        Cause.PROVIDER,
        "yes",
        _AGAIN,
        gettext_noop(
            "Download the kept answer, and report it to the provider with its request ID."
        ),
    ),
    "expired": ErrorGuide(
        Cause.UNKNOWN,
        "no",
        gettext_noop("Request it again."),
        gettext_noop("Look what the job waited for: a worker, the provider, or the storage."),
    ),
    "step_missing": ErrorGuide(
        Cause.REQUEST,
        "no",
        gettext_noop("Request the previous pass again."),
        gettext_noop("Look at the job of the previous pass: its error is the reason."),
    ),
}


def guide_to(code: str) -> ErrorGuide | None:
    """Return what people are told about an error; of an adapter's own, what its class says.

    None where nobody knows the code, such as of an adapter that is not installed any more.
    """
    known = GUIDES.get(code)
    if known is not None:
        return known
    kind = all_errors().get(code)
    if kind is None:
        return None
    return ErrorGuide(Cause.UNKNOWN, kind.billed, kind.remedy)
