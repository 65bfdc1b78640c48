"""List the kinds of audit event, one row each; `events.py` gives them their meaning."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from imagegen_app.core.words import gettext_noop


class Row(NamedTuple):
    """One kind of event, as it is listed."""

    name: str
    severity: Literal["info", "notice", "warning", "alarm"]
    #: Plain English with named placeholders.
    sentence: str
    #: The fields of this event that are personal, beside those personal everywhere.
    personal: tuple[str, ...] = ()


ROWS: Final[tuple[Row, ...]] = (
    # Who may do what
    Row(
        "auth.permission_denied",
        "warning",
        gettext_noop("{actor} was denied {action} on {object}."),
    ),
    Row("auth.logged_in", "info", gettext_noop("{actor} signed in.")),
    Row("auth.login_failed", "warning", gettext_noop("A sign-in failed."), ("login",)),
    Row("auth.impersonated", "warning", gettext_noop("{actor} started to act as {subject}.")),
    Row(
        "token.created",
        "notice",
        gettext_noop("{actor} created an access token with the scopes {scopes}."),
        ("name",),
    ),
    Row("token.revoked", "notice", gettext_noop("{actor} revoked the access token {object}.")),
    Row("grant.created", "notice", gettext_noop("{actor} granted {model} to {group}.")),
    Row(
        "grant.changed", "notice", gettext_noop("{actor} changed the grant of {group} for {model}.")
    ),
    Row(
        "grant.revoked", "notice", gettext_noop("{actor} revoked the grant of {group} for {model}.")
    ),
    Row("grant.expired", "info", gettext_noop("The grant of {group} for {model} expired.")),
    Row("policy.changed", "notice", gettext_noop("{actor} changed the policy {policy}.")),
    Row("access_review.opened", "info", gettext_noop("{actor} opened an access review.")),
    Row(
        "access_review.decided",
        "notice",
        gettext_noop("{actor} decided to {decision} the grant of {group} for {model}."),
    ),
    Row("access_review.closed", "notice", gettext_noop("{actor} closed an access review.")),
    # Providers, models and credentials
    Row("provider.created", "notice", gettext_noop("{actor} added the provider {provider}.")),
    Row("provider.changed", "notice", gettext_noop("{actor} changed the provider {provider}.")),
    Row("provider.enabled", "notice", gettext_noop("{actor} enabled the provider {provider}.")),
    Row("provider.disabled", "warning", gettext_noop("{actor} disabled the provider {provider}.")),
    Row(
        "provider.paused",
        "warning",
        gettext_noop("Calls to {object} were paused after repeated failures."),
    ),
    Row("provider.resumed", "info", gettext_noop("Calls to {object} were resumed.")),
    Row(
        "credential.used_first",
        "notice",
        gettext_noop("The credential {credential} was used for the first time."),
    ),
    Row("credential.rotated", "notice", gettext_noop("The credential {credential} was renewed.")),
    Row(
        "credential.revoked", "warning", gettext_noop("The credential {credential} was withdrawn.")
    ),
    Row(
        "credential.refused",
        "warning",
        gettext_noop("The provider {provider} does not accept the credential {credential}."),
    ),
    Row("model.registered", "notice", gettext_noop("{actor} registered the model {model}.")),
    Row("model.changed", "notice", gettext_noop("{actor} changed the model {model}.")),
    Row(
        "model.promoted",
        "notice",
        gettext_noop("{actor} changed the status of the model {model} from {before} to {after}."),
    ),
    Row(
        "model.deprecated",
        "notice",
        gettext_noop("{actor} marked the model {model} as deprecated."),
    ),
    Row("model.retired", "warning", gettext_noop("{actor} retired the model {model}.")),
    Row(
        "model.price_changed",
        "notice",
        gettext_noop("{actor} changed the price of {object} from {before} to {after}."),
    ),
    # Prompt templates
    Row(
        "template.created", "info", gettext_noop("{actor} created the prompt template {template}.")
    ),
    Row(
        "template.changed", "info", gettext_noop("{actor} changed the prompt template {template}.")
    ),
    Row(
        "template.version_published",
        "notice",
        gettext_noop("{actor} published version {version} of {template}."),
    ),
    Row(
        "template.deprecated",
        "notice",
        gettext_noop("{actor} marked the prompt template {template} as deprecated."),
    ),
    Row(
        "template.archived",
        "notice",
        gettext_noop("{actor} archived the prompt template {template}."),
    ),
    Row(
        "template.restored",
        "notice",
        gettext_noop("{actor} restored the prompt template {template}."),
    ),
    # Budgets and money
    Row(
        "budget.created",
        "notice",
        gettext_noop("{actor} set a budget of {limit} {currency} for {scope}."),
    ),
    Row(
        "budget.changed",
        "notice",
        gettext_noop("{actor} changed the budget for {scope} from {before} to {after} {currency}."),
    ),
    Row("budget.closed", "notice", gettext_noop("{actor} closed the budget for {scope}.")),
    Row(
        "budget.threshold_reached",
        "warning",
        gettext_noop("{percent} % of the budget for {scope} are used."),
    ),
    Row("budget.exhausted", "warning", gettext_noop("The budget for {scope} is used up.")),
    Row("money.reserved", "info", gettext_noop("{amount} {currency} were reserved for {object}.")),
    Row("money.charged", "info", gettext_noop("{amount} {currency} were charged for {object}.")),
    Row("money.released", "info", gettext_noop("{amount} {currency} for {object} were released.")),
    Row(
        "money.overage",
        "warning",
        gettext_noop("{object} cost {amount} {currency} more than was reserved."),
    ),
    Row(
        "money.reconciled",
        "notice",
        gettext_noop("{actor} corrected the cost of {object} by {amount} {currency}."),
    ),
    # Jobs and batches
    Row(
        "job.requested",
        "info",
        gettext_noop("{actor} requested {operation} with {model}; images: {count}."),
        ("variables",),
    ),
    Row(
        "job.denied",
        "warning",
        gettext_noop("{actor} was refused {operation} with {model}: {rule}."),
        ("variables",),
    ),
    Row("job.cached", "info", gettext_noop("{object} reused existing images at no cost.")),
    Row(
        "job.taken_up",
        "info",
        gettext_noop("A worker started {object}; nothing has been sent yet."),
    ),
    Row("job.submitted", "info", gettext_noop("{object} was sent to {provider}.")),
    Row("job.accepted", "info", gettext_noop("{provider} accepted {object}.")),
    Row("job.answered", "info", gettext_noop("The answer to {object} arrived.")),
    Row("job.retried", "notice", gettext_noop("{object} is being retried: {error}.")),
    Row("job.failed_over", "notice", gettext_noop("{object} continues with {model} instead.")),
    Row("job.succeeded", "info", gettext_noop("{object} is complete; images: {count}.")),
    Row("job.failed", "warning", gettext_noop("{object} failed: {error}.")),
    Row("job.blocked", "warning", gettext_noop("{object} was blocked: {categories}.")),
    Row("job.cancel_requested", "info", gettext_noop("{actor} requested to cancel {object}.")),
    Row("job.cancelled", "notice", gettext_noop("{object} was cancelled.")),
    Row("job.expired", "warning", gettext_noop("{object} was not finished in time.")),
    Row(
        "job.became_uncertain",
        "warning",
        gettext_noop("{object} may have been billed; its outcome is not known yet."),
    ),
    Row(
        "job.resolved",
        "notice",
        gettext_noop("{actor} resolved the outcome of {object}: {outcome}."),
    ),
    Row(
        "batch.created",
        "info",
        gettext_noop("{actor} created a batch of {count} jobs from {template}."),
        ("name", "file_name"),
    ),
    Row("batch.started", "info", gettext_noop("{actor} started {object}.")),
    Row("batch.paused", "notice", gettext_noop("{object} was paused.")),
    Row("batch.resumed", "notice", gettext_noop("{object} continues.")),
    Row("batch.retried", "notice", gettext_noop("{actor} ran {count} rows of {object} again.")),
    Row(
        "batch.finished",
        "info",
        gettext_noop("{object} is finished: {succeeded} completed, {failed} failed."),
    ),
    Row("batch.cancelled", "notice", gettext_noop("{actor} cancelled {object}.")),
    # Moderation and review
    Row(
        "moderation.verdict",
        "info",
        gettext_noop("{screener} decided about {object} ({subject}): {decision}."),
        ("text",),
    ),
    Row(
        "moderation.overridden",
        "warning",
        gettext_noop("{actor} overrode the verdict of {screener} on {object}."),
    ),
    Row(
        "moderation.screener_failed",
        "warning",
        gettext_noop("{screener} failed, so {object} was held for review."),
    ),
    Row(
        "moderation.rule_changed",
        "notice",
        gettext_noop("{actor} changed the moderation rule {object}."),
        ("terms",),
    ),
    Row("review.assigned", "info", gettext_noop("{object} was assigned to {reviewer} for review.")),
    Row("review.approved", "notice", gettext_noop("{actor} approved {object}.")),
    Row("review.rejected", "notice", gettext_noop("{actor} rejected {object}.")),
    Row(
        "review.escalated",
        "notice",
        gettext_noop("{actor} forwarded {object} for a second opinion."),
    ),
    Row("review.reopened", "notice", gettext_noop("{actor} reopened the review of {object}.")),
    # Images and where they stand
    Row(
        "asset.created",
        "info",
        gettext_noop("{object} was generated by {model}."),
        ("title", "alt_text"),
    ),
    Row(
        "asset.changed",
        "info",
        gettext_noop("{actor} changed the description of {object}."),
        ("title", "alt_text", "caption", "credit"),
    ),
    Row("asset.marked", "info", gettext_noop("{object} was marked with {marks}.")),
    Row("asset.mark_failed", "alarm", gettext_noop("{object} could not be marked with {mark}.")),
    Row("asset.verified", "info", gettext_noop("The marks of {object} were checked: {result}.")),
    Row("asset.renditions_made", "info", gettext_noop("Renditions of {object}: {count}.")),
    Row("asset.downloaded", "info", gettext_noop("{actor} downloaded {object}.")),
    Row("asset.prompt_viewed", "notice", gettext_noop("{actor} read the prompt of {object}.")),
    Row(
        "asset.viewed_sensitive",
        "notice",
        gettext_noop("{actor} viewed {object}, which is held for review."),
    ),
    Row("asset.shared", "notice", gettext_noop("{actor} shared {object}."), ("recipient",)),
    Row("asset.withdrawn", "warning", gettext_noop("{actor} took {object} down everywhere.")),
    Row("asset.restored", "notice", gettext_noop("{actor} restored {object}.")),
    Row("asset.erased", "warning", gettext_noop("The files of {object} were erased.")),
    Row(
        "placement.made",
        "info",
        gettext_noop("{actor} placed {object} in {target}."),
        ("alt_text", "target_label"),
    ),
    Row(
        "placement.changed",
        "info",
        gettext_noop("{actor} changed {object} in {target}."),
        ("alt_text", "target_label"),
    ),
    Row(
        "placement.removed",
        "info",
        gettext_noop("{actor} removed {object} from {target}."),
        ("target_label",),
    ),
    Row(
        "placement.label_exempted",
        "warning",
        gettext_noop("{actor} exempted {object} in {target} from the AI label."),
        ("target_label",),
    ),
    Row(
        "report.received",
        "warning",
        gettext_noop("A report about {object} was received."),
        ("reporter", "message"),
    ),
    Row(
        "report.triaged",
        "notice",
        gettext_noop("{actor} decided about the report {object}: {decision}."),
    ),
    Row("report.closed", "notice", gettext_noop("{actor} closed the report {object}.")),
    Row(
        "inspect.queried",
        "info",
        gettext_noop("An image was inspected: {result}."),
        ("file_name", "url"),
    ),
    # Webhooks
    Row("webhook.received", "info", gettext_noop("A webhook from {provider} arrived.")),
    Row("webhook.applied", "info", gettext_noop("A webhook from {provider} concerned {object}.")),
    Row(
        "webhook.refused",
        "warning",
        gettext_noop("A webhook in the name of {provider} was rejected: {error}."),
    ),
    # The log, privacy and the site itself
    Row("log.checkpoint_made", "info", gettext_noop("The log was signed at {size} entries.")),
    Row(
        "log.checkpoint_published",
        "info",
        gettext_noop("The checkpoint of {size} entries was published to {target}."),
    ),
    Row(
        "log.verified", "info", gettext_noop("{actor} verified the log: {size} entries, unaltered.")
    ),
    Row(
        "log.verification_failed", "alarm", gettext_noop("The log failed verification: {finding}.")
    ),
    Row("log.sealed_gap", "alarm", gettext_noop("The log has a gap at entry {entry}.")),
    Row(
        "log.sealing_stalled",
        "alarm",
        gettext_noop("Events have been waiting to be added to the log since {since}."),
    ),
    Row(
        "log.rollback_detected",
        "alarm",
        gettext_noop("The log is shorter than its published checkpoint of {size} entries."),
    ),
    Row(
        "privacy.access_exported",
        "notice",
        gettext_noop("{actor} exported the data stored about a person."),
        ("subject_name",),
    ),
    Row(
        "privacy.erasure_requested",
        "notice",
        gettext_noop("The erasure of a person's data was requested."),
        ("subject_name",),
    ),
    Row(
        "privacy.erased",
        "warning",
        gettext_noop("{actor} erased {count} personal texts ({ground})."),
        ("subject_name",),
    ),
    Row(
        "privacy.blocked_by_hold",
        "warning",
        gettext_noop("An erasure is postponed because of {hold}."),
        ("subject_name",),
    ),
    Row(
        "hold.placed", "warning", gettext_noop("{actor} placed a legal hold on {scope}."), ("name",)
    ),
    Row("hold.lifted", "warning", gettext_noop("{actor} lifted the legal hold {object}.")),
    Row("retention.applied", "notice", gettext_noop("The retention rules removed {count} {kind}.")),
    Row("export.made", "notice", gettext_noop("{actor} exported {count} {kind}."), ("query",)),
    Row("export.downloaded", "notice", gettext_noop("{actor} downloaded the export {object}.")),
    Row("evaluation.started", "info", gettext_noop("{actor} started an evaluation of {model}.")),
    Row(
        "evaluation.finished",
        "info",
        gettext_noop("The evaluation of {model} is finished: {result}."),
    ),
    Row(
        "config.started",
        "info",
        gettext_noop("The site started with the settings {settings_hash}."),
    ),
    Row("config.changed", "notice", gettext_noop("The settings changed from {before} to {after}.")),
)
