"""List the kinds of audit event, one row each; `events.py` builds `EVENTS` from the rows."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from imagegen_app.core.i18n import gettext_noop


class EventRow(NamedTuple):
    """One row of the table of event kinds."""

    name: str
    severity: Literal["info", "notice", "warning", "alarm"]
    #: Plain English with named placeholders.
    sentence: str
    #: This event's personal fields, in addition to `events.PERSONAL_EVERYWHERE`.
    personal: tuple[str, ...] = ()


ROWS: Final[tuple[EventRow, ...]] = (
    # Who may do what
    EventRow("auth.logged_in", "info", gettext_noop("{actor} signed in.")),
    EventRow("auth.login_failed", "warning", gettext_noop("A sign-in failed.")),
    EventRow(
        "account.rights_changed",
        "warning",
        gettext_noop("{actor} changed the rights of {object}: {changes}."),
    ),
    EventRow(
        "account.group_added",
        "notice",
        gettext_noop("{actor} added {object} to the group {group_name}."),
    ),
    EventRow(
        "account.group_removed",
        "notice",
        gettext_noop("{actor} removed {object} from the group {group_name}."),
    ),
    EventRow(
        "account.permissions_changed",
        "warning",
        gettext_noop("{actor} changed the permissions of {object}."),
    ),
    EventRow("account.deleted", "notice", gettext_noop("{actor} deleted the account {object}.")),
    EventRow(
        "group.permissions_changed",
        "warning",
        gettext_noop("{actor} changed the permissions of the group {group_name}."),
    ),
    EventRow(
        "group.renamed",
        "notice",
        gettext_noop("{actor} renamed the group {before} to {after}."),
    ),
    EventRow("group.deleted", "warning", gettext_noop("{actor} deleted the group {group_name}.")),
    EventRow("grant.created", "notice", gettext_noop("{actor} granted {model} to {group}.")),
    EventRow(
        "grant.changed", "notice", gettext_noop("{actor} changed the grant of {group} for {model}.")
    ),
    EventRow(
        "grant.revoked", "notice", gettext_noop("{actor} revoked the grant of {group} for {model}.")
    ),
    EventRow("grant.expired", "info", gettext_noop("The grant of {group} for {model} expired.")),
    # Providers, models and credentials
    EventRow(
        "credential.revoked",
        "warning",
        gettext_noop("{actor} revoked the credential {credential}."),
    ),
    EventRow(
        "credential.restored",
        "warning",
        gettext_noop("{actor} restored the credential {credential}."),
    ),
    EventRow("provider.created", "notice", gettext_noop("{actor} added the provider {provider}.")),
    EventRow(
        "provider.changed", "notice", gettext_noop("{actor} changed the provider {provider}.")
    ),
    EventRow(
        "provider.enabled", "notice", gettext_noop("{actor} enabled the provider {provider}.")
    ),
    EventRow(
        "provider.disabled", "warning", gettext_noop("{actor} disabled the provider {provider}.")
    ),
    EventRow(
        "provider.paused",
        "warning",
        gettext_noop("Calls to {object} were paused after repeated failures."),
    ),
    EventRow("provider.resumed", "info", gettext_noop("Calls to {object} were resumed.")),
    EventRow(
        "incident.opened",
        "warning",
        gettext_noop("Calls to {provider} were stopped because they fail: {error}."),
    ),
    EventRow(
        "incident.closed",
        "notice",
        gettext_noop("Calls to {provider} work again; jobs that were affected: {jobs}."),
    ),
    EventRow("model.registered", "notice", gettext_noop("{actor} registered the model {model}.")),
    EventRow("model.changed", "notice", gettext_noop("{actor} changed the model {model}.")),
    EventRow(
        "model.promoted",
        "notice",
        gettext_noop("{actor} changed the status of the model {model} from {before} to {after}."),
    ),
    EventRow(
        "model.deprecated",
        "notice",
        gettext_noop("{actor} marked the model {model} as deprecated."),
    ),
    EventRow("model.retired", "warning", gettext_noop("{actor} retired the model {model}.")),
    EventRow(
        "model.price_changed",
        "notice",
        gettext_noop("{actor} changed the prices of the model {model}."),
    ),
    EventRow(
        "workflow.version_uploaded",
        "notice",
        gettext_noop("{actor} uploaded version {version} of the workflow {workflow}."),
    ),
    EventRow(
        "workflow.version_checked",
        "info",
        gettext_noop(
            "{actor} had version {version} of the workflow {workflow} checked; problems: {count}."
        ),
    ),
    # Prompt templates
    EventRow(
        "template.created", "info", gettext_noop("{actor} created the prompt template {template}.")
    ),
    EventRow(
        "template.changed", "info", gettext_noop("{actor} changed the prompt template {template}.")
    ),
    EventRow(
        "template.draft_saved",
        "info",
        gettext_noop("{actor} saved version {version} of {template} as a draft."),
    ),
    EventRow(
        "template.version_published",
        "notice",
        gettext_noop("{actor} published version {version} of {template}."),
    ),
    EventRow(
        "template.archived",
        "notice",
        gettext_noop("{actor} archived the prompt template {template}."),
    ),
    EventRow(
        "template.restored",
        "notice",
        gettext_noop("{actor} restored the prompt template {template}."),
    ),
    # Brand kits
    EventRow("brand_kit.created", "info", gettext_noop("{actor} created the brand kit {kit}.")),
    EventRow("brand_kit.changed", "info", gettext_noop("{actor} changed the brand kit {kit}.")),
    EventRow(
        "brand_kit.version_published",
        "notice",
        gettext_noop("{actor} published version {version} of the brand kit {kit}."),
    ),
    EventRow("brand_kit.archived", "notice", gettext_noop("{actor} archived the brand kit {kit}.")),
    EventRow("brand_kit.restored", "notice", gettext_noop("{actor} restored the brand kit {kit}.")),
    # Budgets and money
    EventRow(
        "budget.created",
        "notice",
        gettext_noop("{actor} set a budget of {limit} {currency} for {scope}."),
    ),
    EventRow(
        "budget.changed",
        "notice",
        gettext_noop("{actor} changed the budget for {scope} from {before} to {after} {currency}."),
    ),
    EventRow("budget.closed", "notice", gettext_noop("{actor} closed the budget for {scope}.")),
    EventRow(
        "money.reserved", "info", gettext_noop("{amount} {currency} were reserved for {object}.")
    ),
    EventRow(
        "money.charged", "info", gettext_noop("{amount} {currency} were charged for {object}.")
    ),
    EventRow(
        "money.released", "info", gettext_noop("{amount} {currency} for {object} were released.")
    ),
    EventRow(
        "money.overage",
        "warning",
        gettext_noop("{object} cost {amount} {currency} more than was reserved."),
    ),
    # Texts that belong to no job
    EventRow(
        "text.requested", "info", gettext_noop("{actor} asked a service for a text: {object}.")
    ),
    EventRow("text.succeeded", "info", gettext_noop("{service} answered with a text: {object}.")),
    EventRow("text.failed", "notice", gettext_noop("A service gave no text: {object}.")),
    EventRow("text.blocked", "warning", gettext_noop("A content check blocked a text: {object}.")),
    # Jobs and batches
    EventRow(
        "job.requested",
        "info",
        gettext_noop("{actor} requested {operation} with {model}; images: {count}."),
        ("variables",),
    ),
    EventRow(
        "job.denied",
        "warning",
        gettext_noop("{actor} was refused {operation} with {model}: {rule}."),
        ("variables",),
    ),
    EventRow("job.cached", "info", gettext_noop("{object} reused existing images at no cost.")),
    EventRow(
        "job.attempt_started",
        "info",
        gettext_noop("A worker started {object}; nothing has been sent yet."),
    ),
    EventRow("job.submitted", "info", gettext_noop("{object} was sent to {provider}.")),
    EventRow("job.accepted", "info", gettext_noop("{provider} accepted {object}.")),
    EventRow("job.answered", "info", gettext_noop("The answer to {object} arrived.")),
    EventRow("job.retried", "notice", gettext_noop("{object} is being retried: {error}.")),
    EventRow("job.postponed", "warning", gettext_noop("{object} waits: {waiting_for}.")),
    EventRow(
        "job.tried_now",
        "notice",
        gettext_noop("{actor} had {count} waiting jobs tried again at once ({waiting_for})."),
    ),
    EventRow(
        "certificate.refused",
        "alarm",
        gettext_noop("No image can be signed: {detail} {count} queued jobs wait."),
    ),
    EventRow("job.failed_over", "notice", gettext_noop("{object} continues with {model} instead.")),
    EventRow("job.succeeded", "info", gettext_noop("{object} is complete; images: {count}.")),
    EventRow("job.failed", "warning", gettext_noop("{object} failed: {error}.")),
    EventRow("job.blocked", "warning", gettext_noop("{object} was blocked: {categories}.")),
    EventRow(
        "job.moved_to_front",
        "info",
        gettext_noop("{actor} moved {object} to the front of their queue."),
    ),
    EventRow(
        "studio_session.renamed", "info", gettext_noop("{actor} renamed a session of the studio.")
    ),
    EventRow(
        "mail_preference.changed",
        "info",
        gettext_noop("{actor} changed when to get mails about finished work."),
    ),
    EventRow("job.cancel_requested", "info", gettext_noop("{actor} requested to cancel {object}.")),
    EventRow("job.cancelled", "notice", gettext_noop("{object} was cancelled.")),
    EventRow("job.expired", "warning", gettext_noop("{object} was not finished in time.")),
    EventRow(
        "job.became_uncertain",
        "warning",
        gettext_noop("{object} may have been billed; its outcome is not known yet."),
    ),
    EventRow(
        "job.resolved",
        "notice",
        gettext_noop("{actor} resolved the outcome of {object}: {outcome}."),
    ),
    EventRow(
        "answer.kept",
        "warning",
        gettext_noop("The provider's answer to {object} was kept, to be read again: {error}."),
    ),
    EventRow(
        "answer.read_again",
        "notice",
        gettext_noop("{actor} had the kept answer to {object} read again, at no cost."),
    ),
    EventRow(
        "answer.downloaded",
        "warning",
        gettext_noop("{actor} downloaded the provider's kept answer to {object}."),
    ),
    EventRow(
        "answer.removed",
        "notice",
        gettext_noop("Kept answers were removed: {count} ({ground})."),
    ),
    EventRow(
        "spool.filled",
        "alarm",
        gettext_noop("The disk for providers' answers has no room: no call is sent ({problem})."),
    ),
    EventRow(
        "batch.created",
        "info",
        gettext_noop("{actor} created a batch of {count} jobs from {template}."),
        ("name", "file_name"),
    ),
    EventRow(
        "uploaded_table.created",
        "info",
        gettext_noop("{actor} uploaded a table with {rows} rows and {columns} columns."),
        ("file_name",),
    ),
    EventRow(
        "uploaded_table.deleted",
        "info",
        gettext_noop("An uploaded table with {rows} rows was deleted ({ground})."),
        ("file_name",),
    ),
    EventRow(
        "row_texts.requested",
        "info",
        gettext_noop("{actor} asked for a text for each of {rows} rows of a table."),
    ),
    EventRow("row_texts.paused", "notice", gettext_noop("The texts of {object} are paused.")),
    EventRow("row_texts.resumed", "info", gettext_noop("The texts of {object} are continued.")),
    EventRow(
        "row_texts.cancelled", "notice", gettext_noop("{actor} cancelled the texts of {object}.")
    ),
    EventRow("row_texts.finished", "info", gettext_noop("The texts of {object} are written.")),
    EventRow(
        "row_texts.asked_again",
        "info",
        gettext_noop("{actor} asked for {rows} texts of {object} again."),
    ),
    EventRow("row_texts.edited", "info", gettext_noop("{actor} typed a text of {object} by hand.")),
    EventRow("batch.paused", "notice", gettext_noop("{object} was paused.")),
    EventRow("batch.resumed", "notice", gettext_noop("{object} continues.")),
    EventRow(
        "batch.retried", "notice", gettext_noop("{actor} ran {count} rows of {object} again.")
    ),
    EventRow(
        "batch.finished",
        "info",
        gettext_noop("{object} is finished: {succeeded} completed, {failed} failed."),
    ),
    EventRow("batch.cancelled", "notice", gettext_noop("{actor} cancelled {object}.")),
    # Moderation and review
    EventRow(
        "moderation.decided",
        "info",
        gettext_noop("{screener} decided about {object} ({subject}): {decision}."),
        ("text",),
    ),
    EventRow(
        "moderation.overridden",
        "warning",
        gettext_noop("{actor} overrode the verdict of {screener} on {object}."),
    ),
    EventRow(
        "moderation.hard_category_found",
        "alarm",
        gettext_noop("{screener} closed {object} ({subject}) for good: {hard_category}."),
    ),
    EventRow(
        "moderation.tried",
        "notice",
        gettext_noop("{actor} tried the content check {screener}: {decision}."),
    ),
    EventRow(
        "moderation.screener_failed",
        "warning",
        gettext_noop("{screener} failed for {object} ({subject}), which counts as: {decision}."),
    ),
    EventRow(
        "asset.closed",
        "alarm",
        gettext_noop("{object} was closed for good: {hard_category}."),
    ),
    EventRow(
        "asset.files_removed",
        "warning",
        gettext_noop("The files of {object} were deleted; its record stays."),
    ),
    EventRow("review.approved", "notice", gettext_noop("{actor} approved {object}.")),
    EventRow("review.rejected", "notice", gettext_noop("{actor} rejected {object}.")),
    EventRow("review.requested", "info", gettext_noop("{actor} sent {object} for review.")),
    EventRow(
        "review.request_withdrawn",
        "info",
        gettext_noop("{actor} took {object} back from the review."),
    ),
    EventRow(
        "review.changes_requested", "notice", gettext_noop("{actor} asked for changes to {object}.")
    ),
    EventRow(
        "review.escalated",
        "warning",
        gettext_noop("{actor} escalated {object}."),
    ),
    # Images and where they are used
    EventRow(
        "asset.created",
        "info",
        gettext_noop("{object} was generated by {model}."),
        ("title", "alt_text"),
    ),
    EventRow(
        "asset.changed",
        "info",
        gettext_noop("{actor} changed the description of {object}."),
        ("title", "alt_text", "caption", "credit"),
    ),
    EventRow("asset.tagged", "info", gettext_noop("{actor} tagged {object}."), ("tag_name",)),
    EventRow(
        "asset.untagged",
        "info",
        gettext_noop("{actor} took a tag off {object}."),
        ("tag_name",),
    ),
    EventRow("collection.created", "info", gettext_noop("{actor} began the collection {object}.")),
    EventRow("collection.changed", "info", gettext_noop("{actor} changed what is in {object}.")),
    EventRow(
        "collection.deleted", "info", gettext_noop("{actor} deleted the collection {object}.")
    ),
    EventRow("view.saved", "info", gettext_noop("{actor} saved a view of the library.")),
    EventRow("view.removed", "info", gettext_noop("{actor} removed a saved view of the library.")),
    EventRow(
        "asset.marks_checked",
        "notice",
        gettext_noop("{actor} asked {provider} which of its marks it finds in {object}."),
    ),
    EventRow("asset.rated", "info", gettext_noop("{actor} gave {object} {stars} of 5 stars.")),
    EventRow(
        "asset.focal_point_set",
        "info",
        gettext_noop("{actor} chose what stays visible where {object} is cropped."),
    ),
    EventRow("asset.discarded", "info", gettext_noop("{actor} discarded the own draft {object}.")),
    EventRow("asset.downloaded", "info", gettext_noop("{actor} downloaded {object}.")),
    EventRow("asset.prompt_viewed", "notice", gettext_noop("{actor} read the prompt of {object}.")),
    EventRow(
        "asset.prompts_searched",
        "notice",
        gettext_noop("{actor} searched other people's prompts for words."),
        ("search",),
    ),
    EventRow("asset.withdrawn", "warning", gettext_noop("{actor} took {object} down everywhere.")),
    EventRow(
        "withdrawal.searched",
        "info",
        gettext_noop("The site's files were searched for copies of {object}; found: {count}."),
    ),
    EventRow(
        "withdrawal.purged",
        "info",
        gettext_noop("The site's caches were told to drop {count} addresses of {object}."),
    ),
    EventRow(
        "asset.rewritten",
        "notice",
        gettext_noop("{actor} had an erased text taken out of the files of {object}."),
    ),
    EventRow(
        "placement.created",
        "info",
        gettext_noop("{actor} placed {object} in {target}."),
        ("alt_text", "target_label"),
    ),
    EventRow(
        "placement.scheduled",
        "info",
        gettext_noop("{actor} scheduled {object} for {target}, to be placed at {due_at}."),
        ("target_label",),
    ),
    EventRow(
        "placement.dropped",
        "notice",
        gettext_noop("{object} is not placed in {target} as scheduled: {reason_code}."),
        ("target_label",),
    ),
    EventRow(
        "placement.found",
        "warning",
        gettext_noop("{actor} found a copy of {object} in {target} that nobody had placed here."),
        ("target_label",),
    ),
    EventRow(
        "placement.kept",
        "notice",
        gettext_noop("{actor} kept {object} in {target}, though it is out of date."),
        ("target_label",),
    ),
    EventRow(
        "placement.rewritten",
        "notice",
        gettext_noop("A copy of {object} in {target} told an erased text and was replaced."),
    ),
    EventRow(
        "placement.text_changed",
        "info",
        gettext_noop("{actor} changed the alternative text of {object} in {target}, too."),
        ("target_label",),
    ),
    EventRow(
        "placement.removed",
        "info",
        gettext_noop("{actor} removed {object} from {target}."),
        ("target_label",),
    ),
    # Webhooks
    EventRow("webhook.received", "info", gettext_noop("A webhook from {provider} arrived.")),
    EventRow(
        "webhook.applied", "info", gettext_noop("A webhook from {provider} concerned {object}.")
    ),
    EventRow(
        "webhook.refused",
        "warning",
        gettext_noop("A webhook in the name of {provider} was rejected: {error}."),
    ),
    # The log, privacy and the site itself
    EventRow(
        "log.verified", "info", gettext_noop("{actor} verified the log: {size} entries, unaltered.")
    ),
    EventRow(
        "log.verification_failed", "alarm", gettext_noop("The log failed verification: {finding}.")
    ),
    EventRow(
        "log.publishing_failed",
        "warning",
        gettext_noop("The log could not be published to {places}: {error}."),
    ),
    EventRow(
        "log.key_replaced",
        "notice",
        gettext_noop("{actor} replaced the key that signs the log, at {size} entries."),
    ),
    EventRow(
        "log.events_without_receipt",
        "alarm",
        gettext_noop("The application did not write the log's entries {entries}: {count} in all."),
    ),
    EventRow(
        "log.rollback_detected",
        "alarm",
        gettext_noop("The log is shorter than its published checkpoint of {size} entries."),
    ),
    EventRow(
        "log.restore_accepted",
        "alarm",
        gettext_noop(
            "{actor} accepted that the log was restored from a backup at {kept} entries; its "
            "checkpoint of {size} entries, published in {places}, is given up."
        ),
    ),
    EventRow(
        "privacy.erased",
        "warning",
        gettext_noop("{actor} erased {count} personal texts ({ground})."),
        ("subject_name",),
    ),
    EventRow(
        "privacy.copies_searched",
        "notice",
        gettext_noop(
            "The site's files were searched for copies of {object} that told an erased text; "
            "replaced: {count}."
        ),
    ),
    EventRow(
        "privacy.purged",
        "info",
        gettext_noop(
            "The site's caches were told to drop {count} addresses of {object} after an erasure."
        ),
    ),
    EventRow(
        "privacy.erasure_proved",
        "notice",
        gettext_noop(
            "Nothing that {actor} erased was found again; columns searched: {columns}, files: {files}."
        ),
    ),
    EventRow(
        "privacy.erasure_incomplete",
        "alarm",
        gettext_noop("What {actor} erased was found again: {found}."),
    ),
    EventRow(
        "export.created", "notice", gettext_noop("{actor} exported {count} {kind}."), ("query",)
    ),
    EventRow(
        "site.started",
        "info",
        gettext_noop("The site started with the settings {settings_hash}."),
    ),
    EventRow(
        "config.changed", "notice", gettext_noop("The settings changed from {before} to {after}.")
    ),
)
