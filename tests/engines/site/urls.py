"""The site's addresses: only those of the app."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("imagegen/", include("imagegen_app.urls"))]
