"""Find the people of a site by what they are called, whatever its model of a user."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.db import models

#: Words of a search that are looked for.
MAX_SEARCH_WORDS = 20
#: Users of a name that are listed.
MAX_USERS = 100


def name_fields() -> list[str]:
    """Return the fields of the site's users that hold a login or a name."""
    user = get_user_model()
    known = {f.name for f in user._meta.concrete_fields if isinstance(f, models.CharField)}  # noqa: SLF001 - Django's documented API
    return [
        name
        for name in (user.USERNAME_FIELD, "first_name", "last_name", "name", "full_name")
        if name in known
    ]


def users_named(term: str) -> list[str]:
    """Return the keys of the site's users whose login or name contains all words of a text."""
    found = get_user_model().objects.all()
    for word in term.split()[:MAX_SEARCH_WORDS]:
        matches = models.Q()
        for name in name_fields():
            matches |= models.Q(**{f"{name}__icontains": word})
        found = found.filter(matches)
    return [str(key) for key in found.values_list("pk", flat=True)[:MAX_USERS]]
