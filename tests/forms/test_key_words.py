"""Each key that the script heeds has words in the list of keys, and no words lack a key."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from django.template import Context, Template
from django.utils import translation

import imagegen_app
from imagegen_app.forms import key_words

_TABLES = Path(imagegen_app.__file__).parent / "static/imagegen_app/js/lib/key-tables.js"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_tables_of_the_script_and_of_the_words_have_the_same_acts() -> None:
    source = f"import {{ TABLES }} from {json.dumps(_TABLES.as_uri())}; console.log(JSON.stringify(TABLES));"
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", source],
        capture_output=True,
        text=True,
        check=True,
    )
    keys = {name: set(acts) for name, acts in json.loads(done.stdout).items()}

    assert keys == {name: set(table.acts) for name, table in key_words.TABLES.items()}


def test_the_list_is_in_the_readers_language() -> None:
    template = Template('{% load imagegen_admin %}{% imagegen_keys "viewer" has_button=False %}')
    with translation.override("de"):
        page = template.render(Context())

    assert "Jedes Pixel zeigen" in page
    assert "Leertaste" in page
    assert "data-show-keys" not in page
    assert page.count("<section") == 1
