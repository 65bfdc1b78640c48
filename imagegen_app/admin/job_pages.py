"""Name the pages that are no model's list or form; their URLs are below those of the jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.admin.pages import (
    alt_texts,
    attach,
    batch,
    batch_export,
    collection_deletion,
    compare,
    compliance,
    desk,
    erasure,
    file_recall,
    guidance,
    health,
    library,
    library_actions,
    mail_preference,
    new_batch,
    object_history,
    outdated,
    overview,
    picture_choice,
    reference_choice,
    resolution,
    results,
    review,
    row_texts,
    setup,
    stage,
    studio,
    table_batch,
    table_list,
    template_choice,
    text_suggestions,
)

if TYPE_CHECKING:
    from imagegen_app.admin.pages.base import Pages


def page_classes() -> tuple[type[Pages], ...]:
    """Return the classes; their modules are imported with the URLs, not when the site starts."""
    return (
        overview.OverviewPage,
        health.HealthPage,
        guidance.GuidancePages,
        table_list.TablePage,
        setup.SetupPage,
        stage.StagePages,
        studio.StudioPages,
        results.ResultPages,
        compare.ComparePage,
        object_history.ObjectHistoryPage,
        mail_preference.MailPreferencePage,
        library.LibraryPages,
        library_actions.LibraryActionPages,
        collection_deletion.CollectionDeletionPage,
        template_choice.TemplateChoicePage,
        reference_choice.ReferenceChoicePage,
        picture_choice.PictureChoicePages,
        file_recall.FileRecallPage,
        new_batch.NewBatchPages,
        table_batch.TableBatchPages,
        row_texts.RowTextPages,
        batch.BatchPages,
        batch_export.BatchExportPages,
        outdated.OutdatedPages,
        review.ReviewPage,
        desk.DeskPages,
        alt_texts.ChoosePage,
        alt_texts.AltTextPages,
        text_suggestions.SuggestionStatusPage,
        compliance.CompliancePages,
        erasure.ErasurePages,
        attach.AttachPage,
        resolution.ResolutionPages,
    )
