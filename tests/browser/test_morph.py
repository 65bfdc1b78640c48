"""What a person holds while a page's content is replaced by newer content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import imagegen_app
from tests.browser.site import PATIENCE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.browser

_MODULE = Path(imagegen_app.__file__).parent / "static/imagegen_app/js/lib/morph.js"


@pytest.fixture(scope="module")
def blank(browser: Any) -> Iterator[Any]:
    """An empty page with the module's `matchChildren` as a global function, `morph`."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto("about:blank")
    source = _MODULE.read_text(encoding="utf-8")
    page.add_script_tag(type="module", content=f"{source}\nwindow.morph = matchChildren;")
    page.wait_for_function("() => window.morph")
    yield page
    context.close()


def _morph(page: Any, shown: str, fresh: str, between: str = "") -> Any:
    """Show one content, do something, change it into another; return what `between` returned."""
    return page.evaluate(
        """([shown, fresh, between]) => {
          const parse = (text) => new DOMParser().parseFromString(`<main>${text}</main>`, "text/html").body;
          document.body.replaceChildren(...parse(shown).childNodes);
          const main = document.querySelector("main");
          window.before = Object.fromEntries(
            [...main.querySelectorAll("[data-key]")].map((e) => [e.dataset.key, e]));
          if (between) new Function(between)();
          window.morph(main, parse(fresh).firstChild);
          return main.innerHTML;
        }""",
        [shown, fresh, between],
    )


def _rows(order: str, **texts: str) -> str:
    return "".join(
        f'<li data-key="{one}"><a href="#{one}">{texts.get(one, one)}</a></li>' for one in order
    )


@pytest.mark.parametrize("order", ["abcd", "bcda", "dabc", "dcba", "acxbd", "b", "", "xyz", "cab"])
def test_rows_are_moved_added_and_removed_and_stay_the_same_nodes(blank: Any, order: str) -> None:
    html = _morph(blank, _rows("abcd"), _rows(order, b="new words"))

    assert html == _rows(order, b="new words")
    assert blank.evaluate(
        """() => [...document.querySelectorAll("[data-key]")].every(
          (e) => !(e.dataset.key in window.before) || window.before[e.dataset.key] === e)"""
    )


def test_a_row_that_goes_to_the_end_moves_alone(blank: Any) -> None:
    _morph(
        blank,
        _rows("abcdefgh"),
        _rows("bcdefgha"),
        """window.moves = 0;
           new MutationObserver((all) => { window.moves += all.length; })
             .observe(document.querySelector("main"), {childList: true});""",
    )

    assert blank.evaluate("() => new Promise((done) => setTimeout(() => done(window.moves)))") <= 2


def test_the_focus_and_the_caret_stay_in_a_row_that_moves(blank: Any) -> None:
    def field(key: str, value: str) -> str:
        return f'<p data-key="{key}"><input name="{key}" value="{value}"></p>'

    _morph(
        blank,
        field("a", "one") + field("b", "two"),
        field("b", "of the server") + field("a", "one"),
        """const input = document.querySelector("[name=b]");
           input.focus(); input.value = "typed"; input.setSelectionRange(2, 2);""",
    )

    assert blank.evaluate(
        """() => { const e = document.activeElement;
                   return [e.name, e.value, e.selectionStart]; }"""
    ) == ["b", "typed", 2]


def test_what_a_person_changed_or_opened_stays(blank: Any) -> None:
    shown = (
        '<details data-key="d"><summary>More</summary></details><input type="checkbox" name="c">'
        '<input name="t" value="old"><input type="hidden" name="csrfmiddlewaretoken" value="page">'
        '<div data-key="own" data-own>drawn</div>'
    )

    _morph(
        blank,
        shown,
        shown.replace("page", "poll").replace("old", "new").replace("drawn", "empty"),
        """document.querySelector("details").open = true;
           document.querySelector("[name=c]").checked = true;
           document.querySelector("[data-own]").textContent = "painted";""",
    )

    assert blank.evaluate(
        """() => [document.querySelector("details").open, document.querySelector("[name=c]").checked,
                  document.querySelector("[name=t]").value,
                  document.querySelector("[name=csrfmiddlewaretoken]").value,
                  document.querySelector("[data-own]").textContent]"""
    ) == [True, True, "new", "page", "painted"]


def test_an_element_of_the_page_itself_stays_where_the_fragment_has_none(blank: Any) -> None:
    html = _morph(blank, '<p data-own role="status">said</p><p>old</p>', "<p>new</p>")

    assert html == '<p data-own="" role="status">said</p><p>new</p>'


def test_an_element_of_another_kind_takes_the_place_of_one_with_its_key(blank: Any) -> None:
    html = _morph(blank, '<svg data-key="t"></svg>', '<img data-key="t" alt="Ready">')

    assert html == '<img data-key="t" alt="Ready">'


def test_a_progress_bar_follows_the_server(blank: Any) -> None:
    bar = '<progress max="100" value="40"></progress>'

    _morph(blank, bar, bar.replace("40", "60"))

    assert blank.evaluate("() => document.querySelector('progress').value") == 60
