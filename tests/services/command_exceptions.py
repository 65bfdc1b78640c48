"""The commands that the table leaves out, with the reason for each."""

from __future__ import annotations

#: Functions that write and are called by buttons or views, but are not commands of that kind.
EXCEPTIONS = {
    "job_requests.prompt_suggestions.improve_prompt": (
        "each press asks the service once more, and is recorded for itself"
    ),
    "job_requests.prompt_suggestions.suggest_prompt": (
        "each press asks the service once more, and is recorded for itself"
    ),
    "library.alt_text_suggestions.request_suggestions": (
        "needs a captioner; a second press asks for nothing: see test_alt_text_suggestions"
    ),
    "policy.workflows.check": "records only what the server says anew; see test_workflows",
    "library.copy_search.search_all": "finds nothing the second time; see test_copy_search",
    "batches.outdated.refresh": "the second time all were asked for already; see test_outdated",
    "batches.outdated.keep": "the second time the image is listed no more; see test_outdated",
    "library.takedown.delete_copies": "the sweep repeats it; see test_takedown",
    "job_requests.request_sets.request_set": (
        "records an event for each job; a page sent twice makes one set; see test_request_sets"
    ),
    "job_requests.rereading.read_again": (
        "a second reading is refused: one is under way, or nothing new is left; see test_rereading"
    ),
    "job_requests.rereading.record_download": (
        "each download hands out one more copy, and is recorded for itself"
    ),
    "audit.verification_runs.verify_and_record": (
        "each verification reads the log once more, and is recorded for itself"
    ),
    "audit.log_export.export": "each export hands out one more copy, and is recorded for itself",
    "foundation.wakeups.wake_if_stale": "wakes a worker once in a while; it changes no record",
    "foundation.worker_registry.record_heartbeat": "is repeated by design and records no event",
    "job_requests.templates.duplicate": "each press asks for one more copy, with its own number",
    "library.bulk_approval.approve_set": (
        "says of images that were approved before that they are; see test_bulk_approval"
    ),
    "library.asset_table.export": "each export hands out one more copy, and is recorded for itself",
    "batches.row_export.export_lines": (
        "each export hands out one more copy, and is recorded for itself"
    ),
    "monitoring.screener_tests.try_screeners": (
        "each trial asks the services once more, and is recorded for itself"
    ),
    "library.provider_marks.check": "each asks the provider anew, and is recorded for itself",
    "library.evidence.build_pack": "each export hands out one more copy, and is recorded for itself",
    "audit.publication.publish": "a second one finds nothing that is due; see test_publication",
    "audit.restores.find": "reads what a restored backup lost; it records nothing",
    "audit.restores.accept": "a second one finds nothing to accept; see test_restores",
    "audit.key_rotation.rotate": "each rotation makes one more key; see test_key_rotation",
    "audit.prompt_access.read_provider_message": (
        "reads what a provider said of a prompt, as `read_prompt` does"
    ),
    "library.asset_filters.find": "the same search of prompts is recorded once an hour; see test_recorded_searches",
    "library.word_search.words_condition": (
        "the same search of prompts is recorded once an hour; see test_recorded_searches"
    ),
    "library.comparison.compare": "reads the prompts of two jobs, as `read_prompt` does",
    "job_requests.template_publishing.publish_version": (
        "publishes as `publish` does: the content that is published already changes nothing"
    ),
    "job_requests.template_files.import_templates": (
        "a second import changes nothing; see test_template_files"
    ),
    "library.delivery.download_url": (
        "each download hands out one more copy, and is recorded for itself"
    ),
    "library.recipes.recipe_of": "reads a job of one's own; reading another's prompt is recorded each time",
    "audit.settings_record.record_settings": "records only what differs from the last record",
    "batches.table_uploads.add_table": (
        "the same content again is the table that it made; see test_table_uploads"
    ),
    "batches.text_columns.start_for_table": (
        "the same request again is the table that it made; see test_row_texts"
    ),
    "batches.text_columns.start_for_objects": (
        "the same request again is the table that it made; see test_row_texts"
    ),
    "batches.text_commands.pause": "needs a text model; a second press does nothing: see test_text_commands",
    "batches.text_commands.resume": "needs a text model; a second press does nothing: see test_text_commands",
    "batches.text_commands.cancel": "needs a text model; a second press does nothing: see test_text_commands",
    "batches.text_commands.type_text": "the same text again changes nothing; see test_text_commands",
    "batches.text_commands.ask_again": (
        "needs a text model; a text that is on its way is asked for once: see test_row_texts"
    ),
    "worker.sweep.sweep": "is repeated by design; see tests/services/worker",
    "worker.webhook_inbox.receive": "a provider repeats deliveries; see tests/webhooks",
}
