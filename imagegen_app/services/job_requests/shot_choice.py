"""Choose the shot of a request among those of its template's version, and name it for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core import shots
from imagegen_app.services.job_requests.values import InvalidJobRequest

if TYPE_CHECKING:
    from imagegen_app.core.shots import Shot
    from imagegen_app.models import Job, TemplateVersion


def shots_of(version: TemplateVersion | None) -> tuple[Shot, ...]:
    """Return the shots of a stored version, in their order; none without a version."""
    return () if version is None or not version.shots else shots.shots_from(version.shots)


def chosen_shot(version: TemplateVersion | None, key: str) -> Shot | None:
    """Return the shot that a request asks for, or else the first of its template; None without shots.

    :raises InvalidJobRequest: if the template has no such shot.
    """
    offered = shots_of(version)
    if not key:
        return offered[0] if offered else None
    found = next((one for one in offered if one.key == key), None)
    if found is not None:
        return found
    name = "" if version is None else version.template.name
    if version is None:
        reason = _("A shot can only be chosen with a template.")
    elif not offered:
        reason = _("The template “%(name)s” has no shots.") % {"name": name}
    else:
        reason = _("The template “%(name)s” has no shot “%(shot)s”.") % {
            "name": name,
            "shot": key[:40],
        }
    known = ", ".join(one.key for one in offered)
    raise InvalidJobRequest(
        reason,
        field="shot",
        remedy=_("Available: %(known)s.") % {"known": known}
        if known
        else _("Leave the shot out, or choose another template."),
    )


def shot_label(job: Job) -> str:
    """Return what people call the shot of a job; empty without one. Its version never changes."""
    if not job.shot:
        return ""
    return label_of(job.template_version, job.shot)


def facts_of(job: Job) -> list[tuple[str, object]]:
    """Return the template and the shot of a job, each with its label, for a list of facts."""
    return [(_("Template"), job.template_version or ""), (_("Shot"), shot_label(job))]


def template_evidence(job: Job) -> str | None:
    """Return the template's version of a job as evidence names it; None without one."""
    version = job.template_version
    return None if version is None else f"{version.template.slug} v{version.number}"


def label_of(version: TemplateVersion | None, key: str) -> str:
    """Return what people call a shot of a version; its short name if it does not have it."""
    return next((one.label for one in shots_of(version) if one.key == key), key)
