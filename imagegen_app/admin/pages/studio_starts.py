"""What the studio's form begins with: an image, an earlier job, an object, or a step of the set-up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagegen_app.admin.pages import model_fields
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset, Job
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import chooser, delivery, recipes
from imagegen_app.services.policy import access, setup_progress, use_of_assets

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

    from imagegen_app.admin.pages.studio_form import StudioForm
    from imagegen_app.core.actors import Person


def shown_start(form: StudioForm) -> dict[str, Any] | None:
    """Return the image that the request starts from, for the page."""
    job, content = form.source_job, form.content
    if content is not None and form.source_asset is None:
        return {
            "asset": content,
            "content": content,
            "key": content.reference,
            "url": content.url,
            "large": content.url,
        }
    entries = [] if job is None else list(job.inputs.select_related("asset").order_by("position"))
    asset = form.source_asset or next((one.asset for one in entries if one.asset), None)
    if asset is None and not entries:
        return None
    return {
        "again": job,
        "number": len(entries),
        "asset": asset,
        "key": asset.pk if asset else "",
        "url": delivery.preview_url(asset, width=320) if asset else "",
        "large": delivery.preview_url(asset, width=2048) if asset else "",
    }


def earlier_recipe(request: HttpRequest, actor: Person) -> recipes.Recipe | None:
    """Return the recipe of the job, or of the image, that is changed; None for a new one."""
    if request.GET.get("recall"):
        return _recalled(request, actor)
    job: Job | None = None
    if request.GET.get("again"):
        visible = Job.objects.select_related(
            "template_version__template", "root", "image_model__provider"
        )
        if not access.has_permission(actor, "view_job"):
            visible = visible.filter(requester=actor.user)
        key = content_fields.parse_key(Job, request.GET["again"])
        job = visible.filter(pk=key).first() if key else None
    elif request.GET.get("from"):
        key = content_fields.parse_key(Asset, request.GET["from"])
        asset = use_of_assets.usable_assets(actor).filter(pk=key).first() if key else None
        job = asset.job if asset else None
    if job is None:
        return None
    recipe = recipes.recipe_of(actor, job, as_free_prompt=not request.GET.get("again"))
    if request.GET.get("without"):
        recipe = replace(recipe, inputs_of=None, lacks_inputs=False)
    return _part_of(recipe, str(request.GET.get("only", "")))


def _part_of(recipe: recipes.Recipe, part: str) -> recipes.Recipe:
    """Return a recipe with its words or its seed alone, as asked for; all of it otherwise."""
    bare = replace(
        recipe,
        size="",
        count=model_fields.DEFAULT_COUNT,
        quality="",
        background="",
        output_format="",
        passes=(),
        loras=(),
        parameters={},
        inputs_of=None,
        lacks_inputs=False,
    )
    if part == "prompt":
        return replace(bare, seed=None)
    if part == "seed":
        return replace(bare, version=None, variables={}, prompt="", negative_prompt="")
    return recipe


def _recalled(request: HttpRequest, actor: Person) -> recipes.Recipe | None:
    """Return the recipe of an image that the person may see, or the part of it that is asked for."""
    key = content_fields.parse_key(Asset, request.GET["recall"])
    asset = Asset.objects.select_related("job__root").filter(pk=key).first() if key else None
    if asset is None or asset.hard_category:
        return None
    try:
        chooser.require_visible(actor, asset)
    except access.NotPermitted:
        return None
    recipe = recipes.recipe_of(actor, asset.job)
    if asset.seed is not None:
        # That of the image, which the job need not have asked for.
        recipe = replace(recipe, seed=asset.seed)
    only = request.GET.get("only", "")
    if only == "seed":
        return recipes.only_seed(recipe)
    return recipes.only_prompt(recipe) if only == "prompt" else recipe


def shown_object(request: HttpRequest) -> tuple[content_fields.Target, Model] | None:
    """Return the object that the image is for and its target, if there are both and the person may see it."""
    target = content_fields.target_by_path(str(request.GET.get("target", "")))
    if target is None or not request.GET.get("object"):
        return None
    may_see = access.may_view_content(access.actor_for(request.user), target.model)
    key = content_fields.parse_key(target.model, request.GET["object"]) if may_see else None
    instance = (
        None if key is None else target.model._default_manager.filter(pk=key).first()  # noqa: SLF001 - Django's documented API
    )
    return None if instance is None else (target, instance)


def object_values(request: HttpRequest) -> dict[str, str]:
    """Return the variables' values of the object that the image is for; empty without one."""
    found = shown_object(request)
    return {} if found is None else content_fields.values_for(*found)


def setup_url(actor: Person, form: StudioForm) -> str:
    """Return the address of the step that is missing, for those who may take it; empty without one."""
    if form.options is not None or not access.has_permission(actor, setup_progress.PERMISSION):
        return ""
    missing = setup_progress.missing_step(actor)
    return "" if missing is None else f"{admin_url('imagegen_setup')}#step-{missing.step.value}"
