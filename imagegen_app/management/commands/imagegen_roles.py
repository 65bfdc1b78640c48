"""Create the groups that come with the app."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from imagegen_app.services.policy import roles


class Command(BaseCommand):
    """Create the app's groups, or add the permissions that they lack; others are not removed."""

    help = (
        "Create the groups Image editors, Template authors, Image reviewers, Compliance and Image "
        "administrators, or add permissions that they lack."
    )

    def handle(self, *_args: Any, **options: Any) -> None:
        roles.create_groups()
        if options["verbosity"] > 0:
            for name, codenames in roles.ROLES.items():
                self.stdout.write(f"{name}: {len(codenames)} permissions")
