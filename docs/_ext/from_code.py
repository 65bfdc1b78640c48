"""Write reference pages from the code: the directive `from-code` takes the name of a page.

Every page is a function in `reference_pages` that returns Markdown, so that tests can read what
readers read. A page that cannot be made stops the build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import contract_pages
import install_pages
import python_pages
import reference_pages
import state_drawing
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGES = {
    **reference_pages.PAGES,
    **contract_pages.PAGES,
    **python_pages.PAGES,
    **install_pages.PAGES,
}


class FromCode(SphinxDirective):
    """Put a generated page here."""

    required_arguments = 1
    has_content = False
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the page's nodes.

        :raises ExtensionError: through Sphinx, if there is no such page.
        """
        page = self.arguments[0]
        if page not in PAGES:
            raise self.error(f"no page {page!r}; there are {', '.join(PAGES)}")
        self.env.note_dependency(reference_pages.__file__)
        # Code may change without the page's own file: read it again in every build.
        self.env.note_reread()
        container = nodes.container()
        lines = PAGES[page]().splitlines()
        self.state.nested_parse(StringList(lines, f"<{page}>"), self.content_offset, container)
        return list(container.children)


class StateDrawing(SphinxDirective):
    """Draw the states of jobs and the moves between them."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return [nodes.raw("", state_drawing.draw(), format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("from-code", FromCode)
    app.add_directive("state-drawing", StateDrawing)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
