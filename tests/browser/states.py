"""The pages of ours and their states: who sees each, and how to get there; and a shop that has them all."""

from __future__ import annotations

import uuid
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.browser.bad_moments import failed_job, outage
from tests.browser.media_library import upload_photographs
from tests.browser.site import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from tests.browser.site import Site

_SUBJECTS = ("brass desk lamp", "oak lounge chair", "stoneware mug")
_BATCH = 12
_JOB = "imagegen/job/"


@dataclass(frozen=True)
class State:
    """One page in one state: its address below the admin's, and what is done there."""

    name: str
    who: str
    path: str
    act: Callable[[Any], None] | None = None
    #: A page of the site, and not of its admin.
    outside: bool = False
    #: What holds while the page is opened, such as an outage, which no other state is to show.
    amid: Callable[[Site], AbstractContextManager[None]] | None = None

    def open(self, page: Any, site: Site, keys: Mapping[str, str], *, language: str = "en") -> Any:
        """Go there and do it; return the answer of the server."""
        admin = "" if self.outside else "admin/"
        with self.amid(site) if self.amid else nullcontext():
            answer = page.goto(f"{site.url}/{language}/{admin}{self.path.format(**keys)}")
            if self.act:
                self.act(page)
        return answer


def _open_viewer(page: Any) -> None:
    page.click("[data-open]")
    page.locator("dialog [data-stage]").wait_for()


def _paint(page: Any) -> None:
    page.click("[data-operation=inpaint]")
    page.locator("imagegen-mask.is-live").wait_for(state="attached")
    page.locator("[data-act=open]").click()
    stage = page.locator("[data-stage]").bounding_box()
    left, top = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(left - 90, top - 40)
    page.mouse.down()
    page.mouse.move(left + 90, top + 40, steps=8)
    page.mouse.up()
    page.locator("[data-said]", has_text="%").first.wait_for(state="attached")


def _extend(page: Any) -> None:
    page.click("[data-operation=outpaint]")
    page.locator("imagegen-frame [name=frame_left]").wait_for()
    page.locator("imagegen-frame [data-ratio]").nth(1).click()


def _fail(page: Any) -> None:
    page.locator("imagegen-recipe.is-live").wait_for()
    page.locator("[name=v_product]").fill("")
    # The button may be replaced by a newer price while it is clicked.
    page.keyboard.press("Control+Enter")
    page.locator("imagegen-recipe[kept] [aria-invalid=true]").first.wait_for()


def _ask(page: Any) -> None:
    page.locator("[name=v_product]").fill("stoneware mug")
    page.locator(".imagegen-generate:has-text('USD')").wait_for()


def _open_filters(page: Any) -> None:
    page.click(".imagegen-facets > summary")


def _select(page: Any) -> None:
    page.locator("[data-tile][tabindex='0']").focus()
    for key in ("Space", "ArrowRight", "Space"):
        page.keyboard.press(key)


def _plan(page: Any) -> None:
    for number in range(_BATCH):
        page.locator("input.action-select").nth(number).check()
    page.select_option("select[name=action]", "generate_images")
    page.click("button[name=index]")
    page.locator("#imagegen-preview").wait_for()


def _upload(page: Any, text: str) -> None:
    file = {"name": "products.csv", "mimeType": "text/csv", "buffer": text.encode()}
    page.set_input_files("[name=file]", file)
    page.locator(".imagegen-plan .imagegen-primary").click()
    page.wait_for_load_state()


def _upload_nonsense(page: Any) -> None:
    _upload(page, "SKU;Name;sku\n1;Cup;2\n")
    page.locator("[role=alert]").wait_for()


def _upload_too_many(page: Any) -> None:
    _upload(page, "SKU\n" + "1\n" * 10_001)
    page.locator("[role=alert]").wait_for()


def _plan_table(page: Any) -> None:
    cups = "".join(f"HH-{n};Cup {n};red;clay;https://img.example/{n}.jpg\n" for n in range(60))
    _upload(
        page,
        f"SKU;Product;Colour;Material;Photo\n{cups}HH-1;Jug;red;clay;\n;Pot;blue;clay;\n",
    )
    page.select_option("[name=template]", "product-still-life")
    page.click("button[name=preview]")
    page.locator("#imagegen-preview").wait_for()


def _plan_table_problems(page: Any) -> None:
    _plan_table(page)
    page.click("button[value='problems:0']")
    page.locator(".imagegen-invalid").first.wait_for()


def _decide(page: Any) -> None:
    page.locator("[data-asset][data-decision]").first.wait_for()
    page.locator("[data-asset]").first.focus()
    for key in "aarau":
        page.keyboard.press(key)


def _enlarge(page: Any) -> None:
    page.locator("[data-asset][data-decision]").first.wait_for()
    page.locator("[data-asset]").first.focus()
    page.keyboard.press(" ")
    page.locator(".is-large .imagegen-tile-prompt").wait_for()


def _choose_rows(page: Any) -> None:
    for number in range(2):
        page.locator(".imagegen-run-table input[type=checkbox]").nth(number).check()
    page.click("button:has-text('New seed for the selected rows')")
    page.locator("text=Estimated cost").wait_for()


def _refuse_note(page: Any) -> None:
    _enlarge(page)
    page.locator(".is-large [data-again]").click()
    page.locator(".is-large [role=alert]").wait_for()


def _show_keys(page: Any) -> None:
    page.locator("imagegen-key-list dialog").wait_for(state="attached")
    page.locator(".imagegen-page :is(a, button):visible").first.focus()
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()


def _keys_of_mask(page: Any) -> None:
    _paint(page)
    page.keyboard.press("?")


def _verify(page: Any) -> None:
    page.click("text=Verify the log now")
    page.locator(".imagegen-ok").wait_for()


def _misspell(page: Any) -> None:
    page.locator("imagegen-editor.is-live").wait_for()
    page.fill("#id_body", "A {{ prodct | shout }}\n{% if product %}on slate{% endif %}")
    page.locator("[data-add-name=prodct]").wait_for()


def _go_to_frame(page: Any) -> None:
    _extend(page)
    page.locator("imagegen-frame").evaluate("e => e.scrollIntoView({ block: 'center' })")


def _end_session(page: Any) -> None:
    """Another tab signed out while work goes on: the next look at the server says so."""
    page.locator("[name=v_topic]").fill("slow mornings")
    page.locator(".imagegen-generate:has-text('USD')").click()
    page.locator(".imagegen-turn.is-running").first.wait_for()
    page.context.clear_cookies()
    page.locator("[data-notice]").wait_for()


STATES = (
    State("front-page", "admin", ""),
    State("front-page-of-an-editor", "editor", ""),
    State("tables", "admin", f"{_JOB}tables/"),
    State("tour", "editor", f"{_JOB}tour/?step=2"),
    State("studio-empty", "admin", f"{_JOB}studio/?session=new"),
    State("studio", "editor", f"{_JOB}studio/?template=product-still-life", _ask),
    State(
        "studio-fault", "editor", f"{_JOB}studio/?template=product-still-life&session=new", _fail
    ),
    State("studio-failed", "editor", f"{_JOB}studio/?session={{failed_session}}"),
    State("studio-outage", "editor", f"{_JOB}studio/?session=new", amid=outage),
    State("request-failed", "editor", f"{_JOB}studio/{{failed}}/"),
    State("job-failed", "admin", "imagegen/job/{failed}/change/"),
    State("health-outage", "admin", f"{_JOB}health/", amid=outage),
    State("overview-outage", "admin", f"{_JOB}overview/", amid=outage),
    State("media-library", "editor", f"{_JOB}studio/pictures/filer/?pick=reference"),
    State("media-library-none", "editor", f"{_JOB}studio/pictures/filer/?pick=reference&q=zebra"),
    State("templates-to-choose", "editor", f"{_JOB}studio/templates/"),
    State("request", "editor", f"{_JOB}studio/{{job}}/"),
    State("result", "editor", f"{_JOB}studio/result/{{asset}}/"),
    State("viewer", "editor", f"{_JOB}studio/result/{{asset}}/", _open_viewer),
    State("compare", "editor", f"{_JOB}studio/compare/?a={{asset}}&b={{other}}"),
    State("mask", "editor", f"{_JOB}studio/result/{{asset}}/", _paint),
    State("outpaint", "editor", f"{_JOB}studio/result/{{asset}}/", _go_to_frame),
    State("keys-of-studio", "editor", f"{_JOB}studio/?template=product-still-life", _show_keys),
    State("keys-of-mask", "editor", f"{_JOB}studio/result/{{asset}}/", _keys_of_mask),
    State("keys-of-desk", "reviewer", f"{_JOB}desk/{{sent}}/", _show_keys),
    State("keys-of-library", "editor", f"{_JOB}library/", _show_keys),
    State("use", "editor", f"{_JOB}studio/choose/{{asset}}/"),
    State("place", "editor", f"{_JOB}assets/{{approved}}/attach/"),
    State("alternative-texts", "editor", f"{_JOB}assets/alt-texts/?show=all"),
    State("desk", "reviewer", f"{_JOB}desk/"),
    State("desk-case", "reviewer", f"{_JOB}desk/{{sent}}/"),
    State("desk-empty", "reviewer", f"{_JOB}desk/?view=held"),
    State("library", "editor", f"{_JOB}library/"),
    State("library-filters", "editor", f"{_JOB}library/", _open_filters),
    State("library-nothing-fits", "editor", f"{_JOB}library/?q=zebra"),
    State("library-selection", "editor", f"{_JOB}library/", _select),
    State("library-empty", "compliance", f"{_JOB}library/?mine=1"),
    State("collection", "editor", f"{_JOB}library/?collection={{collection}}"),
    State("image", "editor", "imagegen/asset/{asset}/change/"),
    State("image-approved", "compliance", "imagegen/asset/{approved}/change/"),
    State("job", "admin", "imagegen/job/{job}/change/"),
    State("batch-plan", "admin", "catalog/product/?image__isempty=1", _plan),
    State("table-upload", "admin", f"{_JOB}batches/new/table/"),
    State("table-refused", "admin", f"{_JOB}batches/new/table/", _upload_nonsense),
    State("table-too-many-rows", "admin", f"{_JOB}batches/new/table/", _upload_too_many),
    State("table-plan", "admin", f"{_JOB}batches/new/table/", _plan_table),
    State("table-problems", "admin", f"{_JOB}batches/new/table/", _plan_table_problems),
    State("batch", "admin", f"{_JOB}batches/{{batch}}/run/"),
    State("batch-nothing-fits", "admin", f"{_JOB}batches/{{batch}}/run/?state=failed"),
    State("batch-new-seed", "admin", f"{_JOB}batches/{{batch}}/run/", _choose_rows),
    State("batch-review", "admin", f"{_JOB}batches/{{batch}}/review/", _decide),
    State("batch-review-large", "admin", f"{_JOB}batches/{{batch}}/review/", _enlarge),
    State("batch-review-no-note", "admin", f"{_JOB}batches/{{batch}}/review/", _refuse_note),
    State("batch-review-empty", "admin", f"{_JOB}batches/{{batch}}/review/?show=rejected"),
    State("overview", "admin", f"{_JOB}overview/"),
    State("health", "admin", f"{_JOB}health/"),
    State("incidents", "admin", "imagegen/incident/"),
    State("set-up", "admin", f"{_JOB}setup/"),
    State("credentials", "admin", "imagegen/provider/credentials/"),
    State("screeners", "admin", "imagegen/verdict/try/"),
    State("template", "admin", "imagegen/prompttemplate/1/change/"),
    State("template-with-problems", "admin", "imagegen/prompttemplate/1/change/", _misspell),
    State("template-new", "admin", "imagegen/prompttemplate/add/"),
    State("templates", "admin", "imagegen/prompttemplate/"),
    State("templates-none-fits", "editor", f"{_JOB}studio/templates/?q=zebra"),
    State("version-tried-out", "admin", f"{_JOB}studio/?template=product-still-life&version=1"),
    State("template-versions", "admin", "imagegen/prompttemplate/1/versions/"),
    State("template-import", "admin", "imagegen/prompttemplate/import/"),
    State("brand-kits", "admin", "imagegen/brandkit/"),
    State("brand-kit", "admin", "imagegen/brandkit/1/change/"),
    State("brand-kit-to-read", "editor", "imagegen/brandkit/1/change/"),
    State("brand-kit-version", "admin", "imagegen/brandkitversion/1/change/"),
    State("out-of-date", "admin", f"{_JOB}batches/out-of-date/"),
    State("out-of-date-of-nobody", "reviewer", f"{_JOB}batches/out-of-date/"),
    State("log", "compliance", f"{_JOB}log/"),
    State("log-verified", "compliance", f"{_JOB}log/", _verify),
    State("erasure", "compliance", f"{_JOB}erasure/"),
    State("list-of-jobs", "admin", "imagegen/job/"),
    State("list-of-images", "admin", "imagegen/asset/"),
    State("refused", "reviewer", f"{_JOB}studio/"),
    State("session-ended", "editor", f"{_JOB}studio/?template=page-hero", _end_session),
)

#: The states of a site that nobody has used yet.
FRESH = (
    State("fresh-front-page", "admin", ""),
    State("fresh-studio", "editor", f"{_JOB}studio/"),
    State("fresh-library", "editor", f"{_JOB}library/"),
    State("fresh-library-of-a-reviewer", "reviewer", f"{_JOB}library/"),
    State("fresh-chooser", "editor", f"{_JOB}library/?pick=reference"),
    State("fresh-media-library", "editor", f"{_JOB}studio/pictures/filer/?pick=reference"),
    State("fresh-desk", "reviewer", f"{_JOB}desk/"),
    State("fresh-alternative-texts", "editor", f"{_JOB}assets/alt-texts/"),
    State("fresh-overview", "admin", f"{_JOB}overview/"),
    State("fresh-incidents", "admin", "imagegen/incident/"),
    State("fresh-list-of-jobs", "admin", "imagegen/job/"),
    State("fresh-list-of-images", "admin", "imagegen/asset/"),
)

#: The states that the documentation shows, and what their pictures are called there.
IN_DOCS = {
    "front-page": "doors",
    "studio": "studio",
    "templates-to-choose": "templates",
    "template-with-problems": "template-editor",
    "result": "result",
    "compare": "compare",
    "mask": "mask",
    "outpaint": "outpaint",
    "desk": "desk",
    "desk-case": "desk-case",
    "alternative-texts": "alternative-texts",
    "library": "library",
    "library-filters": "library-filters",
    "keys-of-library": "keys",
    "place": "place",
    "image-approved": "image-story",
    "batch-plan": "batch-plan",
    "batch-review": "batch-review",
    "list-of-jobs": "list-of-jobs",
    "health": "health",
    "log-verified": "log-verified",
}


def prepare(site: Site, open_page: Callable[[str], Any]) -> dict[str, str]:
    """Make through the pages what the states need; return the keys that their addresses name."""
    editor = open_page("editor")
    for subject in _SUBJECTS:
        editor.goto(f"{site.url}/en/admin/{_JOB}studio/?template=product-still-life")
        editor.locator("[name=v_product]").fill(subject)
        editor.locator(".imagegen-generate:has-text('USD')").click()
        editor.locator(".is-current a.imagegen-button:has-text('Use this image')").first.wait_for()
    rows = site.ask(
        "select a.id, a.job_id from imagegen_asset a join imagegen_job j on j.id = a.job_id "
        "where j.batch_id is null order by a.created_at desc, a.id"
    )
    ids = [str(uuid.UUID(row[0])) for row in rows]
    for sent in ids[2:6]:
        editor.goto(f"{site.url}/en/admin/{_JOB}studio/result/{sent}/")
        editor.locator("summary:has-text('Send for review')").click()
        editor.locator("button:has-text('Send for review')").click()
        editor.wait_for_load_state()
    reviewer = open_page("reviewer")
    reviewer.goto(f"{site.url}/en/admin/{_JOB}desk/{ids[5]}/")
    reviewer.locator("button[name=decision][value=approve]").click()
    reviewer.wait_for_load_state()
    admin = open_page("admin")
    admin.goto(f"{site.url}/en/admin/catalog/product/?image__isempty=1")
    _plan(admin)
    admin.click("button[name=start]")
    admin.locator(f"text=Finished: {_BATCH} of {_BATCH}").wait_for()
    editor.goto(f"{site.url}/en/admin/{_JOB}library/")
    _select(editor)
    editor.click("button[value=collect]")
    editor.locator("[name=new], [name=name]").first.fill("Spring shop window")
    editor.locator("form button.imagegen-primary").first.click()
    editor.wait_for_load_state()
    # Other tests have used this site, too.
    (batch,) = site.ask("select id from imagegen_batch order by created_at desc")[0]
    (collection,) = site.ask("select id from imagegen_collection order by created_at desc")[0]
    upload_photographs(editor, site)
    failed, failed_session = failed_job(site, rows[0][1])
    return {
        "failed": failed,
        "failed_session": failed_session,
        "asset": ids[0],
        "other": ids[1],
        "sent": ids[3],
        "approved": ids[5],
        "job": str(uuid.UUID(rows[0][1])),
        "batch": str(uuid.UUID(batch)),
        "collection": str(collection),
    }


def settled(page: Any) -> None:
    """Wait until the images that are in sight are drawn."""
    wait_until(page, "[...document.images].every((i) => i.complete || i.loading === 'lazy')")
