"""The app's own addresses; `path("imagegen/", include("imagegen_app.urls"))`."""

from __future__ import annotations

from django.urls import path

from imagegen_app.serving import views as files
from imagegen_app.webhooks.views import Receive

app_name = "imagegen"
urlpatterns = [
    path("files/<str:name>", files.public_file, name="file"),
    path("files/signed/<str:token>/<str:name>", files.signed_file, name="signed_file"),
    path("webhooks/<str:token>/", Receive.as_view(), name="webhook"),
]
