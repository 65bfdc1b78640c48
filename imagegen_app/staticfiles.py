"""Hash the imports of our scripts, for sites whose static files carry a hash in their names."""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.storage import HashedFilesMixin

#: Django's own switch rewrites the scripts of every package, and stumbles over comments of some; this one
#: rewrites ours alone, whose imports are written in one form (held by a test).
_OUR_SCRIPTS: Any = (
    "imagegen_app/js/*.js",
    (
        (
            r"""(?m)^(?P<matched>(?P<head>(?:import|export)\b[^;'"]*?)["'](?P<url>\.{1,2}/[^"']+\.js)["'];)""",
            '%(head)s"%(url)s";',
        ),
        (
            r"""(?P<matched>\bimport\(["'](?P<url>\.{1,2}/[^"']+\.js)["']\))""",
            'import("%(url)s")',
        ),
    ),
)


class HashedModules:
    """Mix into a manifest storage of static files: our scripts import the hashed names of each other.

    Without it an import is the plain name: a browser may keep an old module for as long as the server says,
    and where only hashed files are kept there is none. Put it before the storage's class::

        class StaticStorage(HashedModules, ManifestStaticFilesStorage): ...
    """

    patterns: Any = (*HashedFilesMixin.patterns, _OUR_SCRIPTS)
