"""The shop's addresses."""

from __future__ import annotations

from django.urls import path

from project.catalog import views

app_name = "catalog"
urlpatterns = [
    path("", views.ProductList.as_view(), name="list"),
    path("shelf/<slug:category>/", views.ProductList.as_view(), name="category"),
    path("<slug:slug>/", views.ProductDetail.as_view(), name="product"),
]
