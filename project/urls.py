"""The demo site's addresses."""

from __future__ import annotations

from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("imagegen/", include("imagegen_app.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    # Browsers ask for it on every page that names no icon, such as the admin's.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}site/icon.svg")),
    *i18n_patterns(
        path("admin/", admin.site.urls),
        path("shop/", include("project.catalog.urls")),
        # Last, since the CMS answers for every address that is left.
        path("", include("cms.urls")),
    ),
    # Only while DEBUG is on; elsewhere the web server has the media.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
