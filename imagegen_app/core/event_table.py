"""List the kinds of audit event, one row each; `events.py` gives them their meaning."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


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
    Row("auth.permission_denied", "warning", "{actor} was refused {action} on {object}."),
    Row("auth.logged_in", "info", "{actor} signed in."),
    Row("auth.login_failed", "warning", "A sign-in failed.", ("login",)),
    Row("auth.impersonated", "warning", "{actor} began to act as {subject}."),
    Row(
        "token.created",
        "notice",
        "{actor} made an access token with the scopes {scopes}.",
        ("name",),
    ),
    Row("token.revoked", "notice", "{actor} revoked the access token {object}."),
    Row("grant.created", "notice", "{actor} allowed {group} to use {model}."),
    Row("grant.changed", "notice", "{actor} changed the grant of {group} for {model}."),
    Row("grant.revoked", "notice", "{actor} took {model} away from {group}."),
    Row("grant.expired", "info", "The grant of {group} for {model} ran out."),
    Row("policy.changed", "notice", "{actor} changed the policy {policy}."),
    Row("access_review.opened", "info", "{actor} opened an access review."),
    Row(
        "access_review.decided",
        "notice",
        "{actor} decided to {decision} the grant of {group} for {model}.",
    ),
    Row("access_review.closed", "notice", "{actor} closed an access review."),
    # Providers, models and credentials
    Row("provider.created", "notice", "{actor} added the provider {object}."),
    Row("provider.changed", "notice", "{actor} changed the provider {object}."),
    Row("provider.enabled", "notice", "{actor} switched the provider {object} on."),
    Row("provider.disabled", "warning", "{actor} switched the provider {object} off."),
    Row("provider.paused", "warning", "Calls to {object} pause, because it keeps failing."),
    Row("provider.resumed", "info", "Calls to {object} go on."),
    Row(
        "credential.used_first",
        "notice",
        "The credential {credential} was used for the first time.",
    ),
    Row("credential.rotated", "notice", "The credential {credential} was renewed."),
    Row("credential.revoked", "warning", "The credential {credential} was withdrawn."),
    Row(
        "credential.refused",
        "warning",
        "The provider {provider} does not accept the credential {credential}.",
    ),
    Row("model.registered", "notice", "{actor} registered the model {object}."),
    Row("model.changed", "notice", "{actor} changed the model {object}."),
    Row("model.promoted", "notice", "{actor} moved the model {object} from {before} to {after}."),
    Row("model.deprecated", "notice", "{actor} marked the model {object} as deprecated."),
    Row("model.retired", "warning", "{actor} retired the model {object}."),
    Row(
        "model.price_changed",
        "notice",
        "{actor} changed the price of {object} from {before} to {after}.",
    ),
    # Prompt templates
    Row("template.created", "info", "{actor} created the prompt template {object}."),
    Row("template.changed", "info", "{actor} changed the prompt template {object}."),
    Row("template.version_published", "notice", "{actor} published version {version} of {object}."),
    Row(
        "template.deprecated",
        "notice",
        "{actor} marked the prompt template {object} as deprecated.",
    ),
    Row("template.archived", "notice", "{actor} archived the prompt template {object}."),
    Row("template.restored", "notice", "{actor} took the prompt template {object} back into use."),
    # Budgets and money
    Row("budget.created", "notice", "{actor} set a budget of {limit} {currency} for {scope}."),
    Row(
        "budget.changed",
        "notice",
        "{actor} changed the budget for {scope} from {before} to {after} {currency}.",
    ),
    Row("budget.closed", "notice", "{actor} closed the budget for {scope}."),
    Row("budget.threshold_reached", "warning", "{percent} % of the budget for {scope} are used."),
    Row("budget.exhausted", "warning", "The budget for {scope} is used up."),
    Row("money.reserved", "info", "{amount} {currency} were reserved for {object}."),
    Row("money.charged", "info", "{amount} {currency} were charged for {object}."),
    Row("money.released", "info", "{amount} {currency} were released from {object}."),
    Row("money.overage", "warning", "{object} cost {amount} {currency} more than was reserved."),
    Row(
        "money.reconciled",
        "notice",
        "{actor} corrected the cost of {object} by {amount} {currency}.",
    ),
    # Jobs and batches
    Row(
        "job.requested",
        "info",
        "{actor} asked for {count} images ({operation}) with {model}.",
        ("variables",),
    ),
    Row(
        "job.denied",
        "warning",
        "{actor} may not have {operation} with {model}: {rule}.",
        ("variables",),
    ),
    Row("job.cached", "info", "{object} was answered from images already made, at no cost."),
    Row("job.taken_up", "info", "A worker took {object} up; nothing is sent yet."),
    Row("job.submitted", "info", "{object} was sent to {provider}."),
    Row("job.accepted", "info", "{provider} took {object} on."),
    Row("job.answered", "info", "The answer to {object} arrived.", ("revised_prompt",)),
    Row("job.retried", "notice", "{object} is tried again: {error}."),
    Row("job.failed_over", "notice", "{object} goes on with {model} instead."),
    Row("job.succeeded", "info", "{object} made {count} images."),
    Row("job.failed", "warning", "{object} failed: {error}."),
    Row("job.blocked", "warning", "{object} was blocked: {categories}."),
    Row("job.cancel_requested", "info", "{actor} asked to cancel {object}."),
    Row("job.cancelled", "notice", "{object} was cancelled."),
    Row("job.expired", "warning", "{object} was not finished in time."),
    Row(
        "job.became_uncertain",
        "warning",
        "{object} may have been billed; its outcome is not known yet.",
    ),
    Row("job.resolved", "notice", "{actor} settled the outcome of {object}: {outcome}."),
    Row(
        "batch.created",
        "info",
        "{actor} made a batch of {count} jobs from {template}.",
        ("name", "file_name"),
    ),
    Row("batch.started", "info", "{actor} started {object}."),
    Row("batch.paused", "notice", "{object} was paused."),
    Row("batch.resumed", "notice", "{object} goes on."),
    Row("batch.retried", "notice", "{actor} ran {count} rows of {object} again."),
    Row("batch.finished", "info", "{object} is finished: {succeeded} made, {failed} failed."),
    Row("batch.cancelled", "notice", "{actor} cancelled {object}."),
    # Moderation and review
    Row(
        "moderation.verdict",
        "info",
        "{screener} decided {decision} about {subject} of {object}.",
        ("text",),
    ),
    Row(
        "moderation.overridden",
        "warning",
        "{actor} overrode the verdict of {screener} on {object}.",
    ),
    Row("moderation.screener_failed", "warning", "{screener} failed, so {object} was held back."),
    Row(
        "moderation.rule_changed",
        "notice",
        "{actor} changed the moderation rule {object}.",
        ("terms",),
    ),
    Row("review.assigned", "info", "{object} was given to {reviewer} for review."),
    Row("review.approved", "notice", "{actor} approved {object}."),
    Row("review.rejected", "notice", "{actor} rejected {object}."),
    Row("review.escalated", "notice", "{actor} passed {object} on for a second look."),
    Row("review.reopened", "notice", "{actor} opened the review of {object} again."),
    # Images and where they stand
    Row("asset.created", "info", "{object} was made by {model}.", ("title", "alt_text")),
    Row(
        "asset.changed",
        "info",
        "{actor} changed the description of {object}.",
        ("title", "alt_text", "caption", "credit"),
    ),
    Row("asset.marked", "info", "{object} bears {marks}."),
    Row("asset.mark_failed", "alarm", "{object} could not be marked with {mark}."),
    Row("asset.verified", "info", "The marks of {object} were checked: {result}."),
    Row("asset.renditions_made", "info", "{count} renditions of {object} were made."),
    Row("asset.downloaded", "info", "{actor} downloaded {object}."),
    Row("asset.prompt_viewed", "notice", "{actor} read the prompt of {object}."),
    Row("asset.viewed_sensitive", "notice", "{actor} looked at {object}, which is held back."),
    Row("asset.shared", "notice", "{actor} made a link to {object}.", ("recipient",)),
    Row("asset.withdrawn", "warning", "{actor} took {object} down everywhere."),
    Row("asset.restored", "notice", "{actor} put {object} back."),
    Row("asset.erased", "warning", "The bytes of {object} were erased."),
    Row(
        "placement.made",
        "info",
        "{actor} placed {object} in {target}.",
        ("alt_text", "target_label"),
    ),
    Row(
        "placement.changed",
        "info",
        "{actor} changed {object} in {target}.",
        ("alt_text", "target_label"),
    ),
    Row("placement.removed", "info", "{actor} took {object} out of {target}.", ("target_label",)),
    Row(
        "placement.label_exempted",
        "warning",
        "{actor} exempted {object} in {target} from the label.",
        ("target_label",),
    ),
    Row("report.received", "warning", "A report about {object} came in.", ("reporter", "message")),
    Row("report.triaged", "notice", "{actor} judged the report {object}: {decision}."),
    Row("report.closed", "notice", "{actor} closed the report {object}."),
    Row("inspect.queried", "info", "An image was inspected: {result}.", ("file_name", "url")),
    # Webhooks
    Row("webhook.received", "info", "{provider} told us about a call."),
    Row("webhook.applied", "info", "What {provider} told us was applied to {object}."),
    Row("webhook.refused", "warning", "A message in the name of {provider} was refused: {error}."),
    # The log, privacy and the site itself
    Row("log.checkpoint_made", "info", "The log was signed at {size} entries."),
    Row(
        "log.checkpoint_published",
        "info",
        "The checkpoint of {size} entries was published to {target}.",
    ),
    Row("log.verified", "info", "{actor} verified the log: {size} entries, unaltered."),
    Row("log.verification_failed", "alarm", "The log does not verify: {finding}."),
    Row("log.sealed_gap", "alarm", "The log has a gap at entry {entry}."),
    Row("log.sealing_stalled", "alarm", "Events wait for their place in the log since {since}."),
    Row(
        "log.rollback_detected",
        "alarm",
        "The log is shorter than its published checkpoint of {size} entries.",
    ),
    Row(
        "privacy.access_exported",
        "notice",
        "{actor} exported what is stored about a person.",
        ("subject_name",),
    ),
    Row(
        "privacy.erasure_requested",
        "notice",
        "The erasure of a person's data was asked for.",
        ("subject_name",),
    ),
    Row(
        "privacy.erased",
        "warning",
        "{actor} erased {count} personal texts ({ground}).",
        ("subject_name",),
    ),
    Row(
        "privacy.blocked_by_hold",
        "warning",
        "An erasure waits, because {hold} forbids it.",
        ("subject_name",),
    ),
    Row("hold.placed", "warning", "{actor} placed a legal hold on {scope}.", ("name",)),
    Row("hold.lifted", "warning", "{actor} lifted the legal hold {object}."),
    Row("retention.applied", "notice", "The retention rules removed {count} {kind}."),
    Row("export.made", "notice", "{actor} exported {count} {kind}.", ("query",)),
    Row("export.downloaded", "notice", "{actor} downloaded the export {object}."),
    Row("evaluation.started", "info", "{actor} started an evaluation of {model}."),
    Row("evaluation.finished", "info", "The evaluation of {model} is finished: {result}."),
    Row("config.started", "info", "The site started with the settings {settings_hash}."),
    Row("config.changed", "notice", "The settings changed from {before} to {after}."),
)
