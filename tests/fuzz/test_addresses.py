"""Every address of ours, with hostile values in every parameter: refused, and never an error of ours.

The addresses come from the resolver, the parameters from what the views look up and what their pages'
forms send. The dice have a seed, so that a failure comes back.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib import admin
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from imagegen_app.forms.mixins import GenerateImageMixin
from imagegen_app.services.batches import selections
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.jobs.rebuilding import attempt_token
from imagegen_app.services.policy import access
from project.catalog.models import Category, Product
from tests.fuzz.forms_on_pages import fields_of, recorded_names
from tests.fuzz.values import VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

#: What is put into a part of the path.
PATHS = ("a%00b", "9" * 400, "-1", "%FF", str(10**30), "..", "%0D%0Aa", "٣")
#: Parameters of a list that no page names.
LIST_NAMES = ("q", "o", "p", "all", "e", "_facets", "_to_field", "_popup", "_changelist_filters")
UNKNOWN = ("no_such_field", "pk__in", "id__exact__regex", "job__requester__password__startswith")
#: Values for each parameter, beside NUL; a value is found by the next parameters if not by this one.
PER_NAME = 1
#: How often a page's forms are sent, each time with other values in about a third of the fields.
ROUNDS = 3


@dataclass(slots=True)
class Address:
    """One address that can be called, and what is known of its parameters."""

    name: str
    route: str
    path: str
    model_admin: Any = None
    hostile_paths: list[str] = field(default_factory=list)


def addresses(rows: dict[str, Any]) -> list[Address]:
    """Return all addresses of ours, with the keys of rows that exist."""
    found = []
    for route, pattern, namespaces in _patterns(get_resolver(), "", ()):
        name = ":".join([*namespaces, pattern.name or ""])
        if not _is_ours(name, pattern):
            continue
        arguments = {key: _value(key, name, rows) for key in pattern.pattern.converters}
        path = reverse(name, kwargs=arguments) if pattern.name else ""
        if not path:
            continue
        hostile = [
            path.replace(quote(str(known), safe=""), value)
            for value in PATHS
            for known in arguments.values()
        ]
        found.append(Address(name, route, path, _admin_of(name), hostile))
    return found


def _patterns(
    resolver: Any, route: str, namespaces: tuple[str, ...]
) -> Iterator[tuple[str, URLPattern, tuple[str, ...]]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            inner = (*namespaces, entry.namespace) if entry.namespace else namespaces
            yield from _patterns(entry, route + str(entry.pattern), inner)
        else:
            yield route + str(entry.pattern), entry, namespaces


def _ours() -> dict[str, Any]:
    return {
        f"{model._meta.app_label}_{model._meta.model_name}": page
        for model, page in admin.site._registry.items()
        if type(page).__module__.startswith("imagegen_app.")
        or isinstance(page, GenerateImageMixin)
        or any(issubclass(inline, GenerateImageMixin) for inline in page.inlines)
    }


def _admin_of(name: str) -> Any:
    view = name.partition(":")[2]
    return next((page for table, page in _ours().items() if view == f"{table}_changelist"), None)


def _is_ours(name: str, pattern: URLPattern) -> bool:
    namespace, _, view = name.partition(":")
    if namespace == "imagegen":
        return True
    tables = tuple(f"{table}_" for table in _ours())
    if not view.startswith(("imagegen_", *tables)):
        return namespace == "admin" and view == "autocomplete"
    # Of a site's own table our part is the form; the rest is Django's.
    return view.startswith("imagegen_") or view.endswith(("_add", "_change"))


def _value(key: str, name: str, rows: dict[str, Any]) -> Any:
    table = name.partition(":")[2]
    if table == "imagegen_prompttemplate_guide":
        return rows["asset"].pk  # the picture that a template's form offers
    for known, row in sorted(rows.items(), key=lambda item: -len(item[0])):
        if key in {"object_id", "pk"} and table.startswith(
            (f"imagegen_{known}_", f"catalog_{known}_")
        ):
            return row.pk
    if key == "token":
        return attempt_token(rows["attempt"]) if "webhook" in name else "a.b"
    if key == "name":
        return rows["rendition"].storage_key.rpartition("/")[2]
    return rows["asset"].pk if key in {"pk", "job_id", "object_id"} else "x"


class Fuzzer:
    """Sends requests, and notes which of them were answered by an error of ours."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.dice = random.Random(20_26)  # noqa: S311 - the same values in every run
        self.pool = list(VALUES)
        self.found: dict[str, str] = {}

    def values(self) -> list[bytes]:
        """Return NUL and the next values of the pool, which is dealt out before it repeats."""
        dealt = [b"a\0b"]
        for _ in range(PER_NAME):
            if not self.pool:
                self.pool = list(VALUES)
            dealt.append(self.pool.pop(self.dice.randrange(len(self.pool))))
        return dealt

    def mixed(self, names: list[str], base: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Return a form's fields with hostile values in some of them, and some given twice."""
        hit = [name for name in names if self.dice.random() < 1 / 3] or names[:1]
        kept = [entry for entry in base if entry[0] not in hit]
        bad = [(name, self.values()[-1]) for name in hit]
        return kept + bad + [(hit[0], b"2")] * self.dice.randrange(2)

    def get(self, path: str, query: bytes | str = b"") -> Any:
        text = query.decode("latin-1") if isinstance(query, bytes) else query
        return self.send("GET", f"{path}?{text}" if text else path)

    def send(self, method: str, path: str, data: list[tuple[str, bytes]] | None = None) -> Any:
        """Send a request, undo what it changed, and note an answer that is our fault."""
        body = urlencode(data or [])
        try:
            with transaction.atomic():
                answer = self.client.generic(
                    method,
                    path,
                    body,
                    content_type="application/x-www-form-urlencoded",
                )
                transaction.set_rollback(True)
        except Exception as error:  # noqa: BLE001 - whatever leaves a view is what we look for
            shown = f"{type(error).__name__}: {str(error)[:90]}"
            self.found.setdefault(f"{method} {path[:70]} {shown}", body[:200])
            return None
        if answer.streaming:
            # To its end, where the test's client closes the file.
            list(answer)
        if answer.status_code >= 500:
            self.found.setdefault(f"{method} {path[:120]} {answer.status_code}", body[:200])
        return answer


def fuzz_get(fuzzer: Fuzzer, address: Address) -> Any:
    """Try each parameter that the view looks up."""
    with recorded_names() as names:
        answer = fuzzer.get(address.path)
    names = {name for name in names if name}
    if not address.name.partition(":")[2].startswith("imagegen_"):
        # Django's own lookup of it, in a table of the site's own.
        names.discard("_to_field")
    if address.model_admin is not None:
        names |= {*LIST_NAMES, *UNKNOWN} | _filters(answer, address.model_admin)
    if address.model_admin is None:
        for _ in range(ROUNDS if names else 0):
            fuzzer.get(address.path, urlencode(fuzzer.mixed(sorted(names), [])))
    else:
        # A list refuses a parameter before it reads the next, so each goes alone.
        for name in sorted(names):
            for value in fuzzer.values():
                fuzzer.get(address.path, urlencode([(name, value)]))
    for path in address.hostile_paths:
        fuzzer.get(path)
    fuzzer.get(address.path, b"a%00b=1")
    return answer


def _filters(answer: Any, model_admin: Any) -> set[str]:
    context = getattr(answer, "context", None) or {}
    names: set[str] = set()
    if "cl" in context:
        for spec in context["cl"].filter_specs:
            names |= {name for name in spec.expected_parameters() if name}
    if model_admin.date_hierarchy:
        names |= {
            f"{model_admin.date_hierarchy}__{part}"
            for part in ("year", "month", "day", "gte", "lt")
        }
    return names


def fuzz_post(fuzzer: Fuzzer, address: Address, page: Any) -> None:
    """Send the page's forms, with a hostile value in one field after the other."""
    html = page.content.decode() if page is not None and not page.streaming else ""
    values, buttons = fields_of(html)
    with recorded_names() as names:
        fuzzer.send("POST", address.path, [])
    names |= values.keys() | buttons
    names.discard("_to_field")
    if address.model_admin is not None:
        fuzz_actions(fuzzer, address)
        return
    base = [(name, one.encode()) for name, kept in values.items() for one in kept]
    presses = [[(button, b"1")] for button in sorted(buttons)] or [[]]
    for turn in range(ROUNDS if names else 0):
        sent = fuzzer.mixed(sorted(names), base)
        fuzzer.send("POST", address.path, [*sent, *presses[turn % len(presses)]])


def fuzz_actions(fuzzer: Fuzzer, address: Address) -> None:
    """Have each action of a list act on rows that cannot be."""
    actions = [*address.model_admin.actions, "delete_selected", "no_such_action", "\0"]
    for action in actions:
        name = action if isinstance(action, str) else action.__name__
        for value in (*fuzzer.values(), str(10**30).encode()):
            chosen = [("action", name.encode()), ("_selected_action", value), ("index", b"0")]
            fuzzer.send("POST", address.path, chosen)
            fuzzer.send("POST", address.path, [*chosen, ("confirmed", b"1"), ("note", value)])
    fuzzer.send("POST", address.path, [("action", b"x"), ("index", b"9" * 5000)])


def select_product(client: Client, user: Any) -> Any:
    """Return a product that was selected for a batch, as the form of a batch expects it."""
    category = Category.objects.create(name="Mugs", slug="mugs")
    product = Product.objects.create(name="Mug", sku="M1", price=1, category=category)
    target = content_fields.target_by_path("catalog.Product.image")
    assert target is not None
    session = client.session
    session["imagegen-selection-"] = selections.dumps(
        actor=access.actor_for(user), target=target, keys=[product.pk]
    )
    session.save()
    assert client.get(reverse("admin:imagegen_batch_new")).status_code == 200
    return product


@pytest.mark.usefixtures("strict_texts")
@pytest.mark.parametrize("part", ["lists", "pages"])
def test_no_value_of_any_parameter_makes_an_error_of_ours(
    client: Client, people: dict[str, Any], rows: dict[str, Any], settings: Any, part: str
) -> None:
    # The CMS reads all addresses anew whenever its row of their version was undone.
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("cms.")]
    client.force_login(people["superuser"])
    rows["product"] = select_product(client, people["superuser"])
    fuzzer = Fuzzer(client)

    for address in addresses(rows):
        if (address.model_admin is not None) is (part == "lists"):
            page = fuzz_get(fuzzer, address)
            fuzz_post(fuzzer, address, page)

    assert "\n".join(f"{request} {body}" for request, body in fuzzer.found.items()) == ""


def test_the_addresses_are_all_of_ours(rows: dict[str, Any]) -> None:
    names = {address.name for address in addresses(rows)}

    assert {"imagegen:file", "imagegen:webhook", "admin:autocomplete"} <= names
    assert {f"admin:imagegen_{t}_changelist" for t in ("job", "asset", "auditevent")} <= names
    assert {"admin:imagegen_studio", "admin:catalog_product_change"} <= names
