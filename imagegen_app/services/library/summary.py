"""Tell an image's story in a few sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.models import Verdict
from imagegen_app.models.amounts import shown
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import pictures
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset, Job


def sentences(reader: Person, asset: Asset) -> list[str]:
    """Return who asked for it, what made it, what it cost, who judged it, and its label."""
    job, asked = asset.job, pass_chain.first_of(asset.job)
    lines = [
        _("%(who)s requested it on %(day)s from %(what)s.")
        % {
            "who": name_of(asked.requester, asked.actor_id),
            "day": asked.created_at.strftime("%Y-%m-%d %H:%M"),
            "what": _("the template “%(t)s”") % {"t": job.template_version}
            if job.template_version
            else _("a free prompt"),
        },
        _("%(model)s, version %(version)s, made it.")
        % {
            "model": f"{asset.attempt.image_model.provider} {asset.attempt.image_model}",
            "version": asset.attempt.model_version or asset.attempt.image_model.version,
        },
    ]
    if asset.attempt.revised_prompt:
        lines.append(_("The provider reworded the prompt before it made the image."))
    if asked != job:
        lines.append(_("It came through these steps: %(steps)s.") % {"steps": _steps(job)})
    if access.may(reader, "view_costs") or job.requester_id == reader.account.pk:
        lines.append(
            _("The request cost %(cost)s %(currency)s for %(n)s image(s).")
            % {
                "cost": shown(pass_chain.spent_on(job)),
                "currency": job.currency,
                "n": asked.count,
            }
        )
    lines.extend(
        _("“%(screener)s” looked at the %(where)s: %(outcome)s.")
        % {
            "screener": verdict.screener,
            "where": stored_messages.screened_part(verdict.where),
            "outcome": verdict.get_outcome_display().lower(),
        }
        for verdict in Verdict.objects.filter(job__in=pass_chain.trail(job)).order_by("pk")[:20]
    )
    if asset.reviewed_at is None:
        lines.append(_("Nobody has decided about it yet."))
    else:
        lines.append(
            _("%(who)s decided on %(day)s: %(state)s. %(note)s")
            % {
                "who": name_of(asset.reviewed_by, _("The system")),
                "day": asset.reviewed_at.strftime("%Y-%m-%d %H:%M"),
                "state": asset.get_review_display().lower(),
                "note": asset.review_note,
            }
        )
    lines.append(_("Visitors see the label “%(label)s”.") % {"label": pictures.label(asset)})
    return lines


def _steps(job: Job) -> str:
    """Return what was done to the image, in order, and with which models."""
    through = pass_chain.path_to(job)
    return ", ".join(
        _("%(operation)s with %(model)s")
        % {"operation": one.get_operation_display().lower(), "model": one.image_model.name}
        for one in through
    )


def name_of(account: Any, otherwise: object = "") -> str:
    """Return a person's full name with the login, or the login alone."""
    if account is None:
        return str(otherwise)
    full = str(getattr(account, "get_full_name", str)()).strip()
    return f"{full} ({account})" if full and full != str(account) else str(account)
