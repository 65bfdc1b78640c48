"""List the planted faults: what is changed where, which tests notice, and why it matters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """One mistake that somebody could make, and that the suite must not let through."""

    #: Unique; what `--only` takes.
    name: str
    #: Path of the module, relative to the package.
    module: str
    #: Source text that occurs exactly once in the module.
    before: str
    #: What stands there instead.
    after: str
    #: What pytest runs, relative to `tests/`: at least one of them fails.
    tests: tuple[str, ...]
    #: What would happen on a site.
    why: str


PLANTED_FAULTS: tuple[PlantedFault, ...] = (
    PlantedFault(
        "storage_library_errors_escape",
        "services/gateways/storage.py",
        "    except Exception as error:\n        reason",
        "    except OSError as error:\n        reason",
        ("services/gateways/test_storage.py::test_a_server_that_is_not_there_is_an_outage",),
        "An outage of an object storage ends paid jobs as if their workers had crashed.",
    ),
    PlantedFault(
        "internal_errors_counted_as_lost_workers",
        "services/worker/_job_steps.py",
        "_internal_errors.handle(job, error)",
        "logger.exception(error)",
        ("services/worker/test_internal_errors.py",),
        "A fault of our own ends a paid job as three crashes of a worker, without a trace for people.",
    ),
    PlantedFault(
        "wild_seeds_stored",
        "core/provider_values.py",
        "return value if 0 <= value <= most else None",
        "return value",
        ("services/worker/test_provider_values.py",),
        "A provider's seed of 10**30 is a database error, and the paid image is lost.",
    ),
    PlantedFault(
        "late_worker_requires_no_lease",
        "services/jobs/state_machine.py",
        "    if not Job.objects.filter(pk=job.pk, state=job.state, lease_token=job.lease_token).update(",
        "    if not Job.objects.filter(pk=job.pk, state=job.state).update(",
        ("services/jobs/test_lease_tokens.py",),
        "A worker that was paused books money for a job that another one works on.",
    ),
    PlantedFault(
        "late_worker_postpones",
        "services/jobs/waiting.py",
        "state=job.state, lease_token=job.lease_token)",
        "state=job.state)",
        ("services/jobs/test_lease_tokens.py",),
        "A worker that was paused takes the lease from the one that works on the job.",
    ),
    PlantedFault(
        "sent_after_the_call_started",
        "services/worker/_job_steps.py",
        "            transitions.mark_sent(job, attempt)\n"
        '        failpoint("attempt.sent_before_bytes")\n'
        "        work = self._submission(job, attempt, adapter, request, answer)\n"
        '        self._call("submit", job, attempt, adapter, work)\n',
        "            pass\n"
        '        failpoint("attempt.sent_before_bytes")\n'
        "        work = self._submission(job, attempt, adapter, request, answer)\n"
        '        self._call("submit", job, attempt, adapter, work)\n'
        "        transitions.mark_sent(job, attempt)\n",
        ("services/worker/test_submission_order.py",),
        "A worker that dies in between leaves a billed call that is made again.",
    ),
    PlantedFault(
        "half_an_answer_is_complete",
        "providers/answers.py",
        'return (self.folder / "note.json").exists()',
        "return self.folder.exists()",
        ("providers/test_answers.py",),
        "An answer of which a part was received is taken for the whole, and the call's images are lost.",
    ),
    PlantedFault(
        "cached_image_without_a_grant",
        "services/job_requests/creation.py",
        "            rules[kind] = require_grants(actor, job_request).rule\n",
        "            is_cached = bool(cache_hits.find_cached_jobs([job_request]))\n"
        '            rules[kind] = "" if is_cached else require_grants(actor, job_request).rule\n',
        ("services/job_requests/test_creation.py",),
        "Somebody without a grant gets another person's images by asking for the same.",
    ),
    PlantedFault(
        "idempotency_keys_shared_by_people",
        "services/job_requests/creation.py",
        "actor_kind=actor.kind, actor_id=actor.id, idempotency_key=",
        "actor_kind=actor.kind, idempotency_key=",
        ("services/job_requests/test_creation.py",),
        "One person's key returns another person's job, with its prompt.",
    ),
    PlantedFault(
        "budget_checked_then_updated",
        "services/policy/_budget_counters.py",
        "    moved = BudgetPeriod.objects.filter(\n"
        '        pk=period.pk, limit__gte=F("reserved") + F("spent") + exact(amount)\n'
        '    ).update(reserved=F("reserved") + exact(amount))\n',
        "    moved = period.reserved + period.spent + amount <= period.limit and (\n"
        "        BudgetPeriod.objects.filter(pk=period.pk).update(\n"
        '            reserved=F("reserved") + exact(amount)\n'
        "        )\n"
        "    )\n",
        ("services/policy/test_budget_races.py",),
        "Two requests at the same moment both take the last money of a budget.",
    ),
    # In services, worker
    PlantedFault(
        "grant_not_asked_again",
        "services/worker/_decisions.py",
        "if not decision.allowed:",
        "if False:",
        ("services/worker/test_driver.py::test_a_deleted_grant_stops_a_waiting_job",),
        "Money is spent for somebody whose grant was taken back while the job waited.",
    ),
    PlantedFault(
        "call_sent_without_room",
        "services/gateways/spool_room.py",
        "if free < mark + size:",
        "if False:",
        ("services/worker/test_spool_guard.py",),
        "Calls are sent and billed although the disk cannot take their answers.",
    ),
    PlantedFault(
        "kept_answer_charged_again",
        "services/worker/_results.py",
        "    if attempt.rereads_id is None:\n        charge, origin",
        "    if attempt.pk:\n        charge, origin",
        ("services/job_requests/test_rereading.py",),
        "An answer that was paid for is charged again when it is read again.",
    ),
    PlantedFault(
        "unreadable_answer_thrown_away",
        "services/worker/_outcomes.py",
        "return not kept_answers.is_kept(attempt)",
        "return True",
        ("services/job_requests/test_rereading.py",),
        "The spool's files of an answer that was paid for are removed.",
    ),
    PlantedFault(
        "cancelled_call_sent_again",
        "services/worker/_recovery.py",
        "job.cancel_requested_at is None and job.deadline_at",
        "job.deadline_at",
        ("services/worker/test_recovery.py::test_a_cancelled_call_is_not_sent_again",),
        "A call that was cancelled is sent again, and billed.",
    ),
    PlantedFault(
        "unknown_outcome_fails",
        "services/worker/_outcomes.py",
        'error.billed == "unknown"',
        'error.billed == "never"',
        ("services/worker/test_outcomes.py",),
        "A call whose answer was lost is retried or failed: billed twice, or paid for nothing.",
    ),
    PlantedFault(
        "paid_answer_lost_with_the_certificate",
        "services/worker/_outcomes.py",
        "isinstance(done.error, _ingest.CertificateMissing)",
        "False",
        ("services/worker/test_certificate_waits.py",),
        "Images that are paid for are given up, since a certificate was renewed too late.",
    ),
    PlantedFault(
        "stranger_in_a_rendition",
        "services/gateways/file_signing.py",
        "names_others=not all(one.is_asset for one in parents)",
        "names_others=False",
        ("services/worker/test_foreign_manifests.py",),
        "What strangers wrote into their files is published with every rendition.",
    ),
    PlantedFault(
        "stamps_for_nothing",
        "services/gateways/file_signing.py",
        "if not master.names_others and not identity.tsa_url:",
        "if not master.names_others:",
        ("services/worker/test_published_marks.py",),
        "The authority is asked for stamps that are thrown away, since two are too large.",
    ),
    PlantedFault(
        "former_bytes_forgotten",
        "services/library/copy_search.py",
        "*((f.byte_size, f.sha256) for f in asset.former_files.all()),",
        "",
        ("services/erasure/test_former_copies.py",),
        "A withdrawn image stays up in a copy made before an erasure.",
    ),
    PlantedFault(
        "same_id_for_another_file",
        "services/gateways/resigning.py",
        'new = f"xmp.iid:{uuid5(NAMESPACE_URL, former)}"',
        "new = former",
        ("services/erasure/test_resigned_files.py",),
        "Two different files claim to be the same one.",
    ),
    # In services, batches
    PlantedFault(
        "row_images_of_the_own_network",
        "services/gateways/remote_pictures.py",
        "    if _is_inner(target.host):",
        "    if not target.host:",
        (
            "services/batches/test_row_images.py::test_a_cell_that_can_be_no_image_is_told_before_anything_is_fetched",
        ),
        "The preview calls an address of a private network usable.",
    ),
    PlantedFault(
        "row_images_from_trusted_origins",
        "services/gateways/remote_pictures.py",
        "    for text in conf.get().input_origins:",
        "    for text in (*conf.get().input_origins, *conf.get().trusted_origins):",
        (
            "services/batches/test_image_fetches.py::test_a_provider_of_the_site_is_no_server_of_images",
        ),
        "Whoever uploads a table reads what a self-hosted provider serves.",
    ),
    PlantedFault(
        "row_images_keep_keys",
        "services/gateways/remote_pictures.py",
        "    return str(target.copy_with(query=None, fragment=None))[:_MAX_SHOWN_CHARS]",
        "    return str(target)[:_MAX_SHOWN_CHARS]",
        (
            "services/batches/test_row_images.py::test_images_at_addresses_become_inputs_with_their_origin",
        ),
        "The key in a signed address is stored, exported and shown.",
    ),
    PlantedFault(
        "row_images_not_agreed_to",
        "services/batches/planning.py",
        "                *(one.facts for one in row.images),\n",
        "",
        ("services/batches/test_row_images.py::test_a_digest_covers_what_names_the_images",),
        "Images are made of other photos than the preview showed.",
    ),
    PlantedFault(
        "row_images_of_anybody",
        "services/batches/row_images.py",
        "    if not access.may_change_content(actor, image.owner):",
        "    if image.owner is None:",
        (
            "services/batches/test_row_images.py::test_a_person_who_may_not_change_the_objects_gets_none_of_their_photos",
        ),
        "Photos of objects are sent by people who may not change the objects.",
    ),
    PlantedFault(
        "row_images_wait_for_strangers",
        "services/batches/row_jobs.py",
        "            waiting.append(batch.pk)",
        "            return False",
        ("services/batches/test_image_fetches.py::test_a_slow_server_holds_up_no_other_batch",),
        "A slow server of one table holds up all other batches.",
    ),
    PlantedFault(
        "row_images_lost_while_away",
        "services/batches/row_jobs.py",
        "    if are_away and batch.mapping.get(_TRIED) != batch.prepared_rows:",
        "    if not are_away and not rows:",
        (
            "services/batches/test_image_fetches.py::test_a_server_that_is_away_pauses_the_batch_once_and_then_costs_its_rows",
        ),
        "An hour's outage of the photos' server skips all rows of a night.",
    ),
    PlantedFault(
        "shots_share_a_key",
        "services/batches/row_jobs.py",
        'f"{batch.pk}:{shot}:{row_key}" if shot else f"{batch.pk}:{row_key}"',
        'f"{batch.pk}:{row_key}"',
        ("services/batches/test_batch_shots.py::test_each_row_is_made_once_with_each_shot",),
        "Of several shots of a product only one can be requested.",
    ),
    PlantedFault(
        "every_shot_is_placed_over_the_main_image",
        "services/library/planned_places.py",
        "    if main is None or not fields:",
        "    if True:",
        (
            "services/batches/test_batch_shots.py::test_each_shot_is_placed_in_its_own_field_and_one_without_stays_in_the_library",
        ),
        "The back of a product stands in the shop where its front belongs.",
    ),
    PlantedFault(
        "placed_shots_compared_with_the_first",
        "services/batches/composed_today.py",
        "shot_choice.chosen_shot(current, job.shot)",
        'shot_choice.chosen_shot(current, "")',
        (
            "services/batches/test_batch_shots.py::test_what_is_placed_is_compared_with_its_own_shot_and_made_anew_for_its_own_field",
        ),
        "Each placed back is told to be out of date, and made anew as a front.",
    ),
    PlantedFault(
        "cap_upside_down",
        "services/batches/lifecycle.py",
        "estimate > limits.spending_limit",
        "estimate < limits.spending_limit",
        (
            "services/batches/test_lifecycle.py::test_a_batch_over_its_spending_limit_or_the_budget_is_not_started",
        ),
        "A batch of ten thousand rows starts over the limit that somebody set for it.",
    ),
    # In services, library
    PlantedFault(
        "unapproved_file_public",
        "services/library/delivery.py",
        "sha256=sha256, asset__in=Asset.objects.showable()",
        "sha256=sha256",
        ("serving/test_public_files.py::test_files_of_an_unapproved_asset_are_not_found",),
        "Images that nobody approved, or that were withdrawn, are served to everybody.",
    ),
    PlantedFault(
        "closed_image_served",
        "services/library/delivery.py",
        'if asset is None or asset.hard_category or _withdrawal(asset) not in ("", withdrawal):',
        'if asset is None or _withdrawal(asset) not in ("", withdrawal):',
        ("services/policy/test_closed_content.py",),
        "What was found in a hard category is shown to whoever holds a signed address of it.",
    ),
    PlantedFault(
        "closed_upload_stored",
        "services/job_requests/creation.py",
        "            if not one.is_closed",
        "            if one",
        ("services/policy/test_closed_content.py",),
        "An uploaded image in a hard category is kept on the site's disk.",
    ),
    PlantedFault(
        "own_image_approved",
        "services/library/review.py",
        "        is_own(actor, asset)\n        and target is ReviewState.APPROVED",
        "        not is_own(actor, asset)\n        and target is ReviewState.APPROVED",
        ("services/library/test_review.py::test_nobody_approves_their_own_image",),
        "People approve their own images, and nobody can approve another's.",
    ),
    PlantedFault(
        "copies_stay_after_takedown",
        "services/library/takedown.py",
        "if placed_copies.is_in_field(p)]",
        "if not placed_copies.is_in_field(p)]",
        ("services/library/test_takedown.py",),
        "A withdrawn image stays on the products that hold a copy of it.",
    ),
    PlantedFault(
        "thumbnails_stay_after_takedown",
        "services/library/placed_copies.py",
        "        made.delete()",
        "        pass",
        ("services/library/test_takedown.py",),
        "A withdrawn image can still be seen in the thumbnails that were made of its copies.",
    ),
    PlantedFault(
        "signed_url_survives_withdrawal",
        "services/library/delivery.py",
        'if asset is None or asset.hard_category or _withdrawal(asset) not in ("", withdrawal):',
        "if asset is None or asset.hard_category:",
        ("serving/test_signed_files.py",),
        "Whoever holds a signed address of a withdrawn image can open it for a quarter of an hour.",
    ),
    PlantedFault(
        "failed_purge_forgotten",
        "services/library/withdrawal_tasks.py",
        "        outbox.postpone(entry, failed.code)",
        "        outbox.finish(entry)",
        ("services/library/test_withdrawal_tasks.py",),
        "A cache keeps a withdrawn image, and nobody is told that emptying it failed.",
    ),
    # In services, audit
    PlantedFault(
        "signed_root_not_compared",
        "services/audit/verification.py",
        "if signed == {self.frontier.root()}:",
        "if signed:",
        (
            "services/audit/test_verification.py::test_body_leaf_and_tile_changed_alike_differ_from_the_signed_root",
        ),
        "Whoever changes bodies, leaves and tiles alike is not found.",
    ),
    PlantedFault(
        "missing_texts_taken_for_erased",
        "services/audit/_log_reading.py",
        "missing = tuple(sorted(commitments.keys() - texts.keys()))",
        "missing = ()",
        (
            "services/audit/test_erased_texts.py::test_a_deleted_text_without_an_erasure_fails_the_verification",
        ),
        "Whoever deletes texts and salts beside the log is not found.",
    ),
    PlantedFault(
        "erasures_never_compared",
        "services/audit/_lost_records.py",
        "if number != count:",
        "if False:",
        (
            "services/audit/test_erased_texts.py::test_texts_blanked_under_another_erasure_fail_the_verification",
        ),
        "Texts that somebody blanks without an erasure pass as erased.",
    ),
    PlantedFault(
        "prompt_survives_erasure",
        "services/erasure/scopes.py",
        'PROMPT_FIELDS: Final = ("prompt", ',
        "PROMPT_FIELDS: Final = (",
        (
            "services/erasure/test_commands.py::test_erasing_a_prompt_keeps_the_name_of_its_requester",
        ),
        "A prompt that had to be erased is still legible beside the log.",
    ),
    PlantedFault(
        "variables_survive_erasure",
        "services/erasure/_rows.py",
        "            variables={},\n",
        "",
        ("services/erasure/test_proof.py::test_every_place_that_holds_the_prompt_is_erased",),
        "The names that were filled into a template are still legible in the job.",
    ),
    # In services, job requests
    PlantedFault(
        "nothing_reserved",
        "services/job_requests/creation.py",
        "budgets.reserve_many(actor=actor, jobs=unfinished, batch=batch)",
        "pass",
        (
            "services/job_requests/test_creation.py::test_a_request_reserves_its_price_and_leaves_its_events",
        ),
        "Jobs run without money set aside: hard budgets hold no longer.",
    ),
    PlantedFault(
        "rejected_image_reused",
        "services/job_requests/cache_hits.py",
        '.exclude(assets__review_state__in=["rejected", "withdrawn"])',
        "",
        (
            "services/job_requests/test_creation.py::test_an_image_that_was_decided_against_is_not_reused",
        ),
        "A new request is answered with an image that a reviewer rejected.",
    ),
    PlantedFault(
        "anybody_cancels",
        "services/job_requests/job_actions.py",
        'if not _is_own(actor, job) and not access.has_permission(actor, "cancel_any_job"):',
        "if False:",
        ("services/job_requests/test_job_actions.py::test_another_person_cannot_cancel_a_job",),
        "Everybody can end everybody's jobs.",
    ),
    PlantedFault(
        "old_page_ends_a_later_call",
        "services/job_requests/job_actions.py",
        "would end the call that came after.\n    _refresh_locked(job)",
        "would end the call that came after.",
        (
            "services/job_requests/test_job_actions.py::test_an_old_page_does_not_end_the_call_that_was_sent_after_a_resolution",
        ),
        "A call that is under way is ended as billed by a page that knew nothing of it.",
    ),
    # In services, monitoring
    PlantedFault(
        "full_disk_unnoticed",
        "services/monitoring/doctor.py",
        "if free < LOW_DISK_BYTES:",
        "if free > LOW_DISK_BYTES:",
        ("services/monitoring/test_doctor.py::test_a_full_disk_is_reported",),
        "The disk that answers are stored on runs full, and nobody is told.",
    ),
    # In services, jobs
    PlantedFault(
        "stale_lease_moves",
        "services/jobs/state_machine.py",
        "state=source.value, lease_token=job.lease_token).update(",
        "state=source.value).update(",
        ("services/worker/test_driver.py::test_an_expired_lease_changes_no_job",),
        "A worker that was paused writes over what its successor did.",
    ),
    PlantedFault(
        "blocked_content_counts",
        "services/jobs/breaker.py",
        "_UNHEALTHY = (ProviderUnavailable, ",
        "_UNHEALTHY = (ProviderError, ",
        (
            (
                "services/jobs/test_provider_limits.py::test_refused_content_says_nothing_about_health"
                "_and_a_refused_key_closes_the_account"
            ),
        ),
        "One person's forbidden prompts stop the provider for everybody.",
    ),
    PlantedFault(
        "one_call_too_many",
        "services/jobs/provider_limits.py",
        "others.count() >= provider.max_in_flight",
        "others.count() > provider.max_in_flight",
        (
            "services/jobs/test_provider_limits.py::test_no_more_calls_at_once_than_the_provider_takes",
        ),
        "More calls are under way than the provider allows, and it refuses them.",
    ),
    # In services, policy
    PlantedFault(
        "expired_grant_holds",
        "services/policy/access.py",
        "grant.ends_at <= now",
        "grant.ends_at >= now",
        ("services/policy/test_access.py::test_a_grant_is_valid_between_its_start_and_its_end",),
        "A grant that has ended still lets its group spend money.",
    ),
    PlantedFault(
        "charged_twice_in_the_ledger",
        "services/policy/_budget_counters.py",
        'booked = {"charge": fitting}',
        'booked = {"charge": fitting + fitting}',
        ("services/worker/test_driver.py::test_the_ledger_entries_add_up_to_the_budget_period",),
        "The ledger says twice what was spent.",
    ),
    # In services, gateways
    PlantedFault(
        "failed_screener_passes",
        "services/gateways/screening.py",
        'if entry.on_error == "pass"',
        'if entry.on_error != "pass"',
        ("services/job_requests/test_creation.py::test_a_screener_that_fails_blocks_the_request",),
        "While the screener is down, everything is let through.",
    ),
    # In services, policy
    PlantedFault(
        "changed_grant_without_event",
        "services/policy/model_catalog.py",
        "event_log.record(actor, kind, subject=record, data=data, personal=personal)",
        "pass",
        (
            "services/policy/test_catalog_events.py::test_a_changed_grant_is_recorded_even_while_the_guard_is_silenced",
        ),
        "With the guard silenced too, a grant changes and nobody can see who changed it.",
    ),
    PlantedFault(
        "rights_changed_without_event",
        "services/policy/account_events.py",
        "    if changes:\n        record(",
        "    if not changes:\n        record(",
        (
            "services/policy/test_account_events.py::test_an_editor_made_administrator_and_superuser_leaves_a_trace",
        ),
        "Somebody becomes superuser, and the log does not know.",
    ),
    # In services, foundation
    PlantedFault(
        "change_without_event",
        "services/foundation/unit.py",
        "if unit.changed and not unit.events and unit.audited:",
        "if False:",
        ("services/foundation/test_unit.py::test_a_change_without_an_event_is_rolled_back",),
        "A use case that forgets its audit event works, and the log has a hole.",
    ),
    PlantedFault(
        "same_salt_for_all",
        "services/foundation/event_log.py",
        "os.urandom(16)",
        "bytes(16)",
        (
            "services/audit/test_log.py::test_the_same_text_is_committed_to_with_another_salt_each_time",
        ),
        "Erased texts can be guessed from their commitments in the log.",
    ),
    # The other packages
    PlantedFault(
        "consistency_not_proven",
        "core/translog.py",
        "return last == 0 and old_computed == old_root and computed == root",
        "return last == 0 and computed == root",
        ("core/test_translog.py::test_a_consistency_proof_is_valid_for_its_two_logs_only",),
        "A rewritten log passes for the continuation of the old one.",
    ),
    PlantedFault(
        "breaker_opens_late",
        "core/pacing.py",
        "self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES",
        "self.consecutive_failures > MAX_CONSECUTIVE_FAILURES",
        ("core/test_pacing.py::test_a_breaker_opens_after_five_failures_or_half_of_ten_calls",),
        "A provider that is down is called more often than was promised.",
    ),
    PlantedFault(
        "mask_upside_down",
        "providers/families/masks.py",
        "hole.putalpha(ImageChops.invert(area))",
        "hole.putalpha(area)",
        ("providers/test_openai.py::test_our_mask_becomes_a_transparent_hole",),
        "The model changes all but what was marked, at full price.",
    ),
    PlantedFault(
        "workflow_version_not_the_models",
        "services/policy/model_catalog.py",
        'image_model.version = f"v{workflow.number}"',
        "pass",
        ("services/worker/test_comfyui_calls.py",),
        "A changed workflow answers with the images of the one before, and the log tells them alike.",
    ),
    PlantedFault(
        "set_up_by_anybody",
        "services/policy/site_setup.py",
        "                access.require_permission(actor, permission)",
        "                pass",
        ("services/policy/test_site_setup.py",),
        "An image administrator gives a group of their own every permission of the app.",
    ),
    PlantedFault(
        "members_put_in_by_anybody",
        "services/policy/_setup_access.py",
        "        if not one.members:\n            return []\n        access.require_permission(self._actor, members_permission())",
        "        if not one.members:\n            return []",
        ("services/policy/test_site_setup.py",),
        "Who may add providers puts themselves into any group of the site.",
    ),
    PlantedFault(
        "half_a_set_up",
        "services/policy/site_setup.py",
        "@use_case()\ndef apply(",
        "def apply(",
        ("services/policy/test_site_setup.py",),
        "A mistake that only the last step meets leaves the first ones done.",
    ),
    PlantedFault(
        "workflow_uploaded_by_anybody",
        "services/policy/workflows.py",
        'access.require_permission(actor, "add_workflowversion")\n    name = name.strip()',
        "name = name.strip()",
        ("services/policy/test_workflows.py::test_nobody_else_uploads_or_checks",),
        "Whoever calls the service has the site's server run nodes of their own choice.",
    ),
    PlantedFault(
        "server_asked_by_anybody",
        "services/policy/model_suggestions.py",
        'access.require_permission(actor, "add_imagemodel" if is_new else "change_imagemodel")',
        "del actor, is_new",
        ("services/policy/test_model_suggestions.py::test_nobody_else_asks_or_changes",),
        "Anybody has the site's key sent, and reads which models its account has.",
    ),
    PlantedFault(
        "lost_job_of_another_server_made_again",
        "providers/stable_diffusion_cpp.py",
        "error.detail not in _FORGOTTEN or not call.state",
        "not call.state",
        ("providers/test_stable_diffusion_cpp.py",),
        "A wrong path at a proxy has every job that is under way made a second time.",
    ),
    PlantedFault(
        "idempotency_key_lost",
        "providers/generic_jobs.py",
        'headers={"Idempotency-Key": request.idempotency_key},',
        "headers={},",
        ("providers/test_generic_jobs.py::test_the_same_key_and_body_is_the_same_job_billed_once",),
        "A repeated call is a second one, and is billed.",
    ),
    PlantedFault(
        "key_shown_in_error",
        "providers/redaction.py",
        "return _KEY.sub(HIDDEN, text)",
        "return text",
        ("providers/test_redaction.py",),
        "A provider's key stands in the job's error, and in the site's log files.",
    ),
    PlantedFault(
        "echoed_key_logged_for_ever",
        "services/foundation/event_log.py",
        "data = live_secrets.hide_in(entry.data)",
        "data = entry.data",
        ("services/foundation/test_event_log.py::test_a_live_secret_is_not_written_to_the_log",),
        "A key that came in by any way stands in the append-only log.",
    ),
    PlantedFault(
        "unstorable_parameter_reaches_the_database",
        "admin/parameters.py",
        "if not all(map(is_storable, texts)):",
        "if False:",
        ("fuzz/test_addresses.py",),
        "Anybody on the staff makes pages fail with a character in an address.",
    ),
    PlantedFault(
        "xmp_skipped",
        "imaging/pipeline.py",
        'options["xmp"] = packet',
        'options["xmp"] = b""',
        ("imaging/test_metadata.py::test_written_metadata_is_read_back_from_every_format",),
        "Files are published without the mark that they were made by AI.",
    ),
    PlantedFault(
        "scans_not_counted",
        "imaging/decode_limits.py",
        "if image.scans > MAX_SCANS:",
        "if False:",
        (
            "imaging/test_decode_limits.py::test_a_jpeg_of_empty_scans_is_refused_before_it_is_decoded",
        ),
        "A JPEG of 300 KB keeps a processor busy for minutes.",
    ),
    PlantedFault(
        "heavy_tasks_take_all_places",
        "imaging/isolation.py",
        "and self._count(is_heavy=task.is_heavy) < self._most_of_a_kind",
        "",
        ("imaging/test_decoder_pool.py::test_heavy_tasks_leave_a_place_for_quick_ones",),
        "A few large images keep everybody else's waiting.",
    ),
    PlantedFault(
        "disguised_term_passes",
        "moderation/block_list.py",
        "(folded, folded.translate(_LEET))",
        "(folded,)",
        ("moderation/test_block_list.py::test_a_disguised_term_is_found",),
        "A forbidden word passes when a letter of it is written as a digit.",
    ),
    PlantedFault(
        "change_of_no_row_counts",
        "models/base.py",
        "if count and not getattr(",
        "if not getattr(",
        ("services/foundation/test_unit.py::test_a_write_that_changes_no_row_needs_no_event",),
        "A command that has nothing left to do ends in an internal error.",
    ),
    PlantedFault(
        "held_job_claimed",
        "models/jobs.py",
        "            is_held=False,\n            state__in",
        "            state__in",
        (
            "services/batches/test_lifecycle.py::test_a_paused_batch_is_not_claimed_until_it_is_resumed",
        ),
        "A paused batch goes on spending.",
    ),
    PlantedFault(
        "second_worker_trap_unnoticed",
        "engines/celery_checks.py",
        "<= max_drive_seconds():",
        "> max_drive_seconds():",
        ("engines/test_checks.py::test_each_trap_of_celery_is_named",),
        "Redis hands a task to a second worker while the first is at work.",
    ),
    PlantedFault(
        "key_in_settings_unnoticed",
        "checks.py",
        "if looks_like_secret(source):",
        "if False:",
        ("checks/test_checks.py::test_an_api_key_in_the_settings_is_detected_and_not_printed",),
        "A key that was pasted into the settings goes into the repository.",
    ),
    PlantedFault(
        "list_filtered_by_anything",
        "admin/base.py",
        "return base in allowed or lookup in allowed",
        "return True",
        ("admin/test_roles.py::test_filters_in_the_url_cannot_be_used_to_guess_values",),
        "Other people's prompts are guessed letter by letter by the address of a list.",
    ),
    PlantedFault(
        "etag_dropped",
        "serving/views.py",
        'response.headers["ETag"] = found.etag',
        "pass",
        ("serving/test_public_files.py::test_an_unchanged_file_is_not_sent_again",),
        "Every visitor loads every image anew at every visit.",
    ),
    PlantedFault(
        "webhook_of_any_size",
        "webhooks/views.py",
        "int(digits) > MAX_WEBHOOK_BYTES",
        "False",
        (
            "webhooks/test_receive.py::test_a_body_with_too_large_a_content_length_is_refused_unread",
        ),
        "Anybody on the Internet fills the server's memory.",
    ),
    PlantedFault(
        "object_outside_the_list_unlabelled",
        "templatetags/imagegen.py",
        "return imagegen_label(imagegen_asset_for(target, field), css_class=css_class)",
        "return imagegen_label(None, css_class=css_class)",
        (
            "templatetags/test_imagegen.py::test_an_object_outside_of_the_list_is_labelled_all_the_same",
        ),
        "An image made by AI is shown without its label.",
    ),
    PlantedFault(
        "given_up_by_size_alone",
        "services/audit/_published_checkpoints.py",
        "if (checkpoint.size, checkpoint.root) in given_up else",
        "if checkpoint.size in dict(given_up) else",
        (
            "services/audit/test_restores.py::test_copies_of_the_lost_branch_are_never_valid_again_nor_hide_others",
        ),
        "After an accepted restore, a rewritten log of the same size is excused with it.",
    ),
    PlantedFault(
        "erasure_trusts_the_stored_person",
        "services/erasure/_rows.py",
        'Q(subject=scope.subject) | scope.of_person("event__")',
        "Q(subject=scope.subject)",
        ("services/audit/test_erased_texts.py",),
        "A text whose person was changed survives the erasure of that person.",
    ),
    PlantedFault(
        "unknown_coding_discarded",
        "providers/http/sinks.py",
        "pieces = decoded_if_possible(chunks, ",
        "pieces = decoded(chunks, ",
        (
            "providers/test_http.py::test_an_answer_in_a_coding_that_cannot_be_undone_is_kept_as_it_came",
        ),
        "A gateway that compresses unasked costs images that were paid for.",
    ),
    PlantedFault(
        "half_a_pair_of_keys_sent",
        "providers/families/aws.py",
        "if _API_KEY.fullmatch(text):",
        'if not text.startswith("{") and not _PAIR.fullmatch(text):',
        ("providers/test_aws.py::test_half_a_pair_of_keys_is_never_sent_as_an_api_key",),
        "A mistyped pair of keys goes out with its secret in the open, in a header.",
    ),
    PlantedFault(
        "filtered_prompt_charged",
        "providers/bedrock.py",
        '"prompt": ("input", "no"),',
        '"prompt": ("input", "unknown"),',
        (
            "providers/test_bedrock_answers.py::test_a_block_says_what_was_blocked_and_if_it_is_billed",
        ),
        "A prompt that AWS filters for free is charged to the budget of whoever wrote it.",
    ),
    PlantedFault(
        "failed_job_polled_on",
        "providers/stability.py",
        'if value_at(document, "errors") is not None:',
        "if False:",
        ("providers/test_contract.py",),
        "A job that failed is asked about until its deadline, and its requester waits.",
    ),
    PlantedFault(
        "preview_goes_round_the_content_check",
        "services/jobs/job_previews.py",
        'and not screening.is_screened("output")',
        "",
        ("services/jobs/test_job_previews.py", "admin/test_waiting_page.py"),
        "An editor sees an image that the content check would have blocked.",
    ),
    PlantedFault(
        "preview_shown_to_strangers",
        "services/jobs/job_previews.py",
        'access.require_permission(actor, "view_job")',
        "pass",
        ("services/jobs/test_job_previews.py",),
        "Whoever guesses the address of a job sees the image on its way.",
    ),
    PlantedFault(
        "unfinished_image_kept_as_the_answer",
        "providers/families/openai_events.py",
        'return "aside"',
        'return "answer"',
        ("providers/test_openai_streams.py",),
        "A blurred image becomes the asset, and the one that was paid for is lost.",
    ),
    PlantedFault(
        "somebody_elses_image_shown",
        "providers/families/task_progress.py",
        'if document.get("active") is True:',
        "if document:",
        ("providers/test_task_progress.py",),
        "The image of another client of the same server appears in an editor's studio.",
    ),
    PlantedFault(
        "refused_description_costs_nothing",
        "captioning/openai_chat.py",
        '"the service refused to describe the image", cost=cost',
        '"the service refused to describe the image"',
        ("captioning/test_openai_chat.py", "services/gateways/test_chat_captions.py"),
        "What the captioner's service bills for a refusal is missing in the budget.",
    ),
    PlantedFault(
        "blocked_suggestion_kept",
        "services/gateways/captioning.py",
        "if screening.is_blocked(verdicts):",
        "if not verdicts:",
        ("services/gateways/test_chat_captions.py",),
        "An editor is offered a text that a content check has blocked.",
    ),
    # In writing
    PlantedFault(
        "half_a_prompt_is_a_prompt",
        "writing/openai_chat.py",
        'if answer.outcome == "cut_off":',
        'if answer.outcome == "other":',
        ("writing/test_openai_chat.py",),
        "An editor is offered a prompt that ends in the middle.",
    ),
    PlantedFault(
        "typed_text_replaced",
        "services/batches/row_texts.py",
        'filter(pk=key, state="asked", call=call)',
        "filter(pk=key)",
        ("services/batches/test_row_texts.py",),
        "What an editor typed for a row is replaced by the text model's answer.",
    ),
    PlantedFault(
        "captions_paid_again",
        "services/worker/_captions.py",
        "remembered.get(image.original.sha256) or _described(image, purpose)",
        "_described(image, purpose)",
        ("services/gateways/test_chat_captions.py",),
        "Each restart of a worker pays the captioner again for the same image.",
    ),
    PlantedFault(
        "removed_key_is_an_outage",
        "secret_stores/vault.py",
        'raise SecretAbsent("Vault has no such path")',
        'raise ConnectionError("Vault has no such path")',
        ("secret_stores/test_stores.py",),
        "A key that was removed from the store is used for an hour more.",
    ),
    PlantedFault(
        "revoked_key_handed_out",
        "services/gateways/usable_credentials.py",
        "if name in revoked_names():",
        "if not name:",
        ("services/policy/test_revocations.py",),
        "What was revoked since it leaked is still sent with each call.",
    ),
)
