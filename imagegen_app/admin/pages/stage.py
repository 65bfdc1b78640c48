"""The stage of the studio: what a person waits for, and what a session of theirs has made."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.admin.pages.carried import carried_query, studio_url
from imagegen_app.admin.pages.parameter_fields import parameter_label
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Job, StudioSession
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import job_actions, sessions
from imagegen_app.services.job_requests.request_sets import MODEL, SEED, WORDS
from imagegen_app.services.library import delivery, review_cases, session_turns
from imagegen_app.services.monitoring import progress
from imagegen_app.services.monitoring.mail_preferences import is_offered
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.services.library.grid_turns import Grid
    from imagegen_app.services.library.session_turns import Stage, Turn

_TILE_WIDTH: Final = 640


def sessions_context(request: HttpRequest, actor: Person) -> dict[str, Any]:
    """Return the person's sessions, and the one that the studio is opened in."""
    own = sessions.own_sessions(actor)
    text = str(request.POST.get("session") or request.GET.get("session") or "")
    session = sessions.current_key(
        actor, own=own, wanted=_parse_session(text), is_new=text == "new"
    )
    return {
        "session": session,
        "sessions": [
            {
                "title": one.title,
                "used_at": one.used_at,
                "request_count": one.request_count,
                "is_current": one.key == session,
                "url": studio_url(request, session=str(one.key)),
            }
            for one in own
        ],
        "session_title": next((one.title for one in own if one.key == session), ""),
        "new_session_url": studio_url(request, session="new"),
    }


def named_session(request: HttpRequest) -> uuid.UUID:
    """Return the session that a request names; whose it is, is asked of the rows.

    :raises Http404: if it names none.
    """
    key = _parse_session(request.POST.get("session") or request.GET.get("session") or "")
    if key is None:
        raise Http404
    return key


def _parse_session(text: str) -> uuid.UUID | None:
    key: uuid.UUID | None = content_fields.parse_key(StudioSession, text)
    return key


def stage_context(request: HttpRequest, actor: Person, session: uuid.UUID) -> dict[str, Any]:
    """Return what the templates of the stage need."""
    stage = session_turns.stage_of(
        actor, session=session, before=content_fields.parse_key(Job, request.GET.get("before", ""))
    )
    return {
        "stage": stage,
        "running": [_shown(request, session, turn) for turn in stage.running],
        "turns": [_shown(request, session, turn) for turn in stage.turns],
        "is_running": stage.is_running,
        "older_url": studio_url(request, session=str(session), before=str(stage.older_than))
        if stage.older_than
        else "",
        # The request that the form was filled in with.
        "current": content_fields.parse_key(Job, request.GET.get("again", "")),
        "said": _news(stage),
        "in_session": carried_query(request, session=str(session)),
        "front": _front(stage),
        "mail_url": _mail_url(request),
    }


def _mail_url(request: HttpRequest) -> str:
    """Return where to choose a mail about finished work; empty in a frame, and where none is sent."""
    is_embedded = request.GET.get("embed") == "1"
    return admin_url("imagegen_mail_preference") if not is_embedded and is_offered() else ""


def _shown(request: HttpRequest, session: uuid.UUID, turn: Turn) -> dict[str, Any]:
    def again(**changes: str) -> str:
        return studio_url(request, session=str(session), again=str(turn.job.pk), **changes)

    shown = turn.progress
    preview = ""
    if shown.preview_number and turn.job.count == 1:
        address = admin_url("imagegen_studio_preview", shown.current.pk)
        preview = f"{address}?{urlencode({'n': shown.preview_number})}"
    return {
        "turn": turn,
        "job": turn.job,
        "progress": shown,
        "preview": preview,
        "tiles": [
            {
                "asset": asset,
                "url": delivery.preview_url(asset, width=_TILE_WIDTH),
                "answer": review_cases.answer_to_author(asset),
                "remake": studio_url(request, session=str(session), recall=str(asset.pk)),
            }
            for asset in turn.images
        ],
        "grid": _shown_grid(turn),
        "again": again(),
        "again_prompt": again(only="prompt"),
        "again_seed": again(only="seed"),
    }


def _shown_grid(turn: Turn) -> dict[str, Any] | None:
    grid = turn.grid
    if grid is None:
        return None
    names = {SEED: _("Seed"), MODEL: _("Image model"), WORDS: _("Words"), "": ""}
    return {
        "columns": names.get(grid.columns) or parameter_label(grid.columns),
        "rows": names[grid.rows] if grid.rows in names else parameter_label(grid.rows),
        "column_labels": grid.column_labels,
        "rows_of_cells": [
            {
                "label": label,
                "cells": [
                    {"turn": cell, "label": _cell_label(label, column), "tiles": _tiles(cell)}
                    for column, cell in zip(grid.column_labels, cells, strict=True)
                ],
            }
            for label, cells in zip(grid.row_labels, grid.cells, strict=True)
        ],
    }


def _cell_label(row: str, column: str) -> str:
    return ", ".join(filter(None, (column, row)))


def _tiles(turn: Turn | None) -> list[dict[str, Any]]:
    return [
        {"asset": asset, "url": delivery.preview_url(asset, width=320)}
        for asset in (turn.images if turn else ())
    ]


def _front(stage: Stage) -> object:
    """Return the key of the queued job whose turn is next among one's own; the others can be moved."""
    queued = [turn for turn in stage.running if turn.progress.is_free]
    return queued[0].job.pk if queued else None


def _news(stage: Stage) -> str:
    """Return what a screen reader is told: how many images there are, or what the newest job does."""
    if stage.running:
        return stage.running[0].progress.message
    if not stage.turns:
        return ""
    newest = stage.turns[0]
    if newest.grid is not None:
        return _news_of_grid(newest.grid)
    if not newest.images:
        return newest.progress.message
    return ngettext(
        "%(count)s image is ready", "%(count)s images are ready", len(newest.images)
    ) % {"count": len(newest.images)}


def _news_of_grid(grid: Grid) -> str:
    turns = [turn for row in grid.cells for turn in row if turn]
    ended = sum(turn.progress.is_final for turn in turns)
    return _("%(ended)s of %(count)s jobs of the grid have ended") % {
        "ended": ended,
        "count": len(turns),
    }


class StagePages(Pages):
    """The addresses of the stage."""

    base_template = "imagegen_app/admin/studio/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        needed = "request_job"
        return [
            Route("studio/stage/", self.stage, "imagegen_studio_stage", needed, is_hidden=True),
            Route(
                "studio/session/",
                self.rename,
                "imagegen_studio_rename",
                needed,
                is_hidden=True,
                is_post_only=True,
            ),
            Route(
                "studio/cancel/",
                self.cancel_all,
                "imagegen_studio_cancel_all",
                needed,
                is_hidden=True,
                is_post_only=True,
            ),
            Route(
                "studio/<uuid:pk>/front/",
                self.move_to_front,
                "imagegen_studio_front",
                needed,
                is_hidden=True,
                is_post_only=True,
            ),
        ]

    def stage(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Answer a poll with the stage, or 304 if nothing of it has changed."""
        wakeups.wake_if_stale()
        session = named_session(request)
        etag = session_turns.etag_of(actor, session=session)
        context: Mapping[str, Any] = {}
        if request.headers.get("If-None-Match") != f'"{etag}"':
            context = stage_context(request, actor, session)
        return self.fragment(request, "imagegen_app/admin/studio/_turns.html", context, etag=etag)

    def rename(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Give the session the name that was typed."""
        session = named_session(request)
        try:
            sessions.rename(actor=actor, key=session, name=str(request.POST.get("name", "")))
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        return self._back(request, session)

    def cancel_all(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Cancel all of the person's own jobs that have not ended."""
        ended = asked = 0
        for one in progress.unfinished_jobs(actor):
            if not one.can_cancel:
                continue
            try:
                ended += job_actions.cancel(actor=actor, job=one.job)
                asked += 1
            except ActionRefused:
                # It has ended meanwhile, which the stage shows.
                continue
        if ended:
            text = ngettext(
                "%(count)s job was cancelled at no cost.",
                "%(count)s jobs were cancelled at no cost.",
                ended,
            )
            messages.info(request, text % {"count": ended})
        if asked > ended:
            messages.info(request, _("Cancelling. The provider may still bill it."))
        return self._back(request, named_session(request))

    def move_to_front(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Let one of the person's own jobs go before their others."""
        job = Job.objects.filter(pk=pk, requester=actor.user).first()
        if job is None:
            raise Http404
        try:
            job_actions.move_to_front(actor=actor, job=job)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        return self._back(request, named_session(request))

    def _back(self, request: HttpRequest, session: uuid.UUID) -> HttpResponse:
        return HttpResponseRedirect(f"{studio_url(request, session=str(session))}#stage")
