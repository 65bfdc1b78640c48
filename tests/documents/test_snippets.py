"""Every block of every page is run, or looked at by what would run it."""

from __future__ import annotations

import importlib
import io
import re
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from PIL import Image

from imagegen_app.testing.contract import AdapterContract
from imagegen_app.testing.contract.captioners import CaptionerContract
from imagegen_app.testing.contract.screening import ScreenerContract
from imagegen_app.testing.factories import (
    make_asset,
    make_grant,
    make_group,
    make_image,
    make_image_model,
    make_provider,
    make_template,
    make_user,
)
from project.catalog.models import Category, Product
from tests.architecture.tree import name_of
from tests.documents import commands, data_blocks, settings_blocks
from tests.documents.snippets import Snippet, all_snippets, inline_code, pages, snippets_in

if TYPE_CHECKING:
    from collections.abc import Iterator

STAND_INS = Path(__file__).with_name("stand_ins")
_FILE = re.compile(r"# ([\w/]+)\.py\n")
CONTRACTS = (AdapterContract, CaptionerContract, ScreenerContract)
#: Blocks that may stay out of the test. Whoever adds one says why on its page.
MAX_EXCUSED = 6
SNIPPETS = all_snippets()


@dataclass
class Reader:
    """Run a snippet as a reader would, in a site that has what the pages speak of."""

    request: pytest.FixtureRequest
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def run(self, snippet: Snippet) -> None:
        """Run one.

        :raises Exception: as the snippet does; WrongCommand and AssertionError where it is wrong.
        """
        source = snippet.source
        parser = self.request.config._parser
        match snippet.language:
            case "bash" | "sh" | "console":
                for line in commands.command_lines(source, language=snippet.language):
                    commands.check_line(line, pytest_parser=parser)
            case "python":
                self._run_python(snippet, kind=snippet.kind)
            case "html+django":
                data_blocks.check_template(source, context=self._names())
            case "ini":
                data_blocks.check_unit(source, pytest_parser=parser)
            case language:
                data_blocks.check_data(source, language=language, kind=snippet.kind)

    def _run_python(self, snippet: Snippet, *, kind: str) -> None:
        for other in SNIPPETS:
            if other.page == snippet.page and other != snippet and (name := module_of(other)):
                self.add_module(name, other)
        if kind == "Django 6" and django.VERSION < (6,):
            compile(snippet.source, snippet.page, "exec")
            pytest.skip("the block is for Django 6")
        if kind == "screener":
            listed = f"IMAGEGEN = {{'SCREENERS': [{snippet.source}]}}\n"
            self._settings(replace(snippet, source=with_credential(listed)))
        elif kind == "urls" or "urlpatterns" in snippet.source:
            settings_blocks.check_urls(snippet)
        elif name := module_of(snippet):
            self.add_module(name, snippet)
        elif settings_blocks.is_settings(snippet.source):
            self._settings(snippet)
        else:
            self._run_code(snippet)

    def _settings(self, snippet: Snippet) -> None:
        settings_blocks.check_settings(snippet, folder=self.folder, monkeypatch=self.monkeypatch)

    def add_module(self, name: str, snippet: Snippet) -> None:
        if "get_user_model" in snippet.source and not Group.objects.exists():
            make_group("Image editors")
            make_user("admin", is_superuser=True)
        module = types.ModuleType(name)
        self.monkeypatch.setitem(sys.modules, name, module)
        execute(snippet, module.__dict__)

    def _run_code(self, snippet: Snippet) -> None:
        names: dict[str, Any] = {}
        if any(name in snippet.source for name in ("request.", "asset", "product,", "job")):
            names = self._names()
        if "edda" in snippet.source:
            make_user("edda")  # a person whom a page puts into a group
        execute(snippet, names)
        for value in list(names.values()):
            if isinstance(value, type) and issubclass(value, CONTRACTS) and value not in CONTRACTS:
                assert hasattr(value, "samples"), "a contract without samples"

    def _names(self) -> dict[str, Any]:
        """Return what pages take for granted: an editor with a grant, an image, a thing to show."""
        settings = self.request.getfixturevalue("settings")
        settings.IMAGEGEN = {
            **django_settings.IMAGEGEN,
            "ENGINE": "tests.services.silent_engine.SilentEngine",
        }
        provider = make_provider(slug="sandbox", name="Sandbox")
        model = make_image_model(
            provider=provider, slug="sandbox-1", provider_model_name="sandbox-1"
        )
        make_grant(group=make_group("Image editors"), image_model=model)
        make_template(slug="product-still-life")
        user = make_user("editor", groups=["Image editors"], permissions=PERMISSIONS)
        shelf = Category.objects.create(name="Mugs", slug="mugs")
        product = Product.objects.create(
            category=shelf, name="Oak table", slug="oak-table", sku="1", price=10
        )
        for name in ("room.png", "depth.png"):
            (self.folder / name).write_bytes(make_image(size=(512, 288)))
        (self.folder / "windows.png").write_bytes(mask_of(512, 288))
        return {
            "request": types.SimpleNamespace(user=user),
            "asset": make_asset(requester=user),
            "product": product,
        }


PERMISSIONS = ("catalog.change_product", "imagegen.place_asset")


def mask_of(width: int, height: int) -> bytes:
    """Return a mask whose middle is to be drawn anew."""
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, (width // 4, height // 4, width // 2, height // 2))
    buffer = io.BytesIO()
    mask.save(buffer, format="PNG")
    return buffer.getvalue()


def module_of(snippet: Snippet) -> str:
    """Return the name of the module that a block is, by its first line; empty if it is none."""
    found = _FILE.match(snippet.source) if snippet.language == "python" else None
    return found[1].replace("/", ".") if found else ""


def with_credential(source: str) -> str:
    """Return settings with the credential that the page's entry names."""
    credential = "{'screening': {'source': 'env:SCREENING_KEY', 'hosts': ['screening.example']}}"
    return source.replace("{'SCREENERS'", f"{{'CREDENTIALS': {credential}, 'SCREENERS'", 1)


def execute(snippet: Snippet, names: dict[str, Any]) -> None:
    """Run a block; a traceback names the page and its line."""
    code = compile("\n" * (snippet.line - 1) + snippet.source, snippet.page, "exec")
    exec(code, names)  # noqa: S102 -- our own page


@pytest.fixture
def reader(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    db: None,  # before the folder changes
) -> Iterator[Reader]:
    """Return a reader in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(STAND_INS))
    loaded = set(sys.modules)
    yield Reader(request, tmp_path, monkeypatch)
    for name in set(sys.modules) - loaded:
        if name.partition(".")[0] in {"shop", "mysite", "sorl"}:
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    "snippet", [one for one in SNIPPETS if not one.excuse], ids=lambda one: one.name
)
def test_a_block_of_a_page_runs(reader: Reader, snippet: Snippet) -> None:
    reader.run(snippet)


def test_few_blocks_are_not_run_and_each_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    excused = [one for one in SNIPPETS if one.excuse]

    with capsys.disabled():
        for one in excused:
            print(f"\nnot run: {one.name}: {one.excuse}", end="")  # noqa: T201 - for the reader
    assert len(excused) <= MAX_EXCUSED
    assert all(len(one.excuse.split()) >= 3 for one in excused)


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_a_command_in_running_text_has_these_options(path: Path) -> None:
    for code in inline_code(path.read_text(encoding="utf-8")):
        if code.startswith(("manage.py ", "python manage.py ", "imagegen_")):
            commands.check_options(code)


FAULTS = [
    ("bash", "", "python manage.py imagegen_wroker"),
    ("bash", "", "python manage.py imagegen_erase person:42 --reasn x"),
    ("bash", "", "python manage.py imagegen_audit rotate"),
    ("bash", "", 'python -m pip install "imagegen-app[s4]"'),
    ("bash", "", "pip install no-such-package-of-ours"),
    ("bash", "", ".venv/bin/python -m pytest -q tests/nowhere"),
    ("bash", "", ".venv/bin/python -m pytest -q -m sloow"),
    ("bash", "", "IMAGEGEN_SCREENSHOT=x .venv/bin/python -m pytest -q tests/browser"),
    ("bash", "", "curl http://localhost | sh"),
    ("console", "", "manage.py check"),
    ("python", "", "IMAGEGEN = {'ENGIN': 'x'}"),
    ("python", "", "IMAGEGEN = {'ENGINE': 'imagegen_app.engines.celery.Celery'}"),
    ("python", "", "INSTALLED_APPS += ['imagegen_ap']"),
    ("python", "", "INSTALLED_APPS += ['imagegen_app']"),
    ("python", "", "MIDDLEWARE += ['imagegen_app.middleware.audit_actors']"),
    ("python", "", "SECURE_HSTS_SECOND = 3600"),
    ("python", "", "DATABASES['default']['OPTIONS'] = {'pool': True}"),
    ("python", "", "STORAGES['imagegen'] = {'BACKEND': 'django.core.files.storage.FileStorage'}"),
    ("python", "", "LOGGING = {'version': 1, 'handlers': {}, 'root': {'handlers': ['console']}}"),
    ("python", "", "urlpatterns += [path('imagegen/', include('imagegen_app.url'))]"),
    ("python", "", "from imagegen_app import generates"),
    ("python", "", "from imagegen_app import generate\ngenerate(user=request.user, promt='x')"),
    ("python", "screener", "{'NAME': 'x', 'BACKEND': 'imagegen_app.moderation.block_list.Block'}"),
    ("html+django", "", "{% load imagegen %}{% imagegen_pictur asset %}"),
    ("html+django", "", "{% load imagegenn %}"),
    ("json", "price list", '{"currency": "USD", "per_picture": []}'),
    ("json", "capabilities", '{"max_cuont": 4}'),
    ("json", "data handling", '{"zero_retention": {"value": "always"}}'),
    ("json", "options of http_jobs", '{"submit_paht": "/x"}'),
    ("json", "", "{}"),
    ("ini", "", "[Service]\nExecStart=/srv/.venv/bin/python manage.py imagegen_work"),
    ("sql", "", "SELECT count(*) FROM imagegen_jobs"),
    ("toml", "", "a = "),
    ("toml", "", "[[providers]]\nadaptr = 'sandbox'"),
    ("text", "fixed parameters", "steps 28"),
    ("text", "", "a drawing"),
    ("", "", "anything"),
]


@pytest.mark.parametrize(("language", "kind", "source"), FAULTS)
def test_a_wrong_name_is_noticed(reader: Reader, language: str, kind: str, source: str) -> None:
    wrong = Snippet("a page", 1, language, source + "\n", kind)

    with pytest.raises(Exception) as noticed:  # noqa: PT011 - of many kinds
        reader.run(wrong)

    assert not isinstance(noticed.value, AttributeError | KeyError), repr(noticed.value)


def test_a_wrong_option_in_running_text_is_noticed() -> None:
    (code,) = inline_code("Run `manage.py\nimagegen_reread --al` now; in\n```bash\n`x`\n```\n")

    with pytest.raises(commands.WrongCommand, match="no option --al"):
        commands.check_options(code)


def test_blocks_are_found_wherever_they_stand() -> None:
    text = "1. x\n\n   ```bash\n   a\n   ```\n\n<!-- not run: of another world -->\n~~~python\nb\n~~~\n"

    shell, excused = snippets_in(text, page="p")

    assert (shell.source, shell.line) == ("a\n", 4)
    assert (excused.source, excused.excuse) == ("b\n", "of another world")
    with pytest.raises(ValueError, match="not closed"):
        list(snippets_in("```python\n", page="p"))
