"""Configure Sphinx: MyST pages, and reference pages that are made from the code."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.test")
django.setup()

project = "imagegen_app"
author = "The imagegen_app authors"
copyright = "2026, the imagegen_app authors"  # noqa: A001 -- the name that Sphinx reads

extensions = ["myst_parser", "from_code"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True
suppress_warnings: list[str] = []

html_theme = "furo"
html_title = "imagegen_app"
