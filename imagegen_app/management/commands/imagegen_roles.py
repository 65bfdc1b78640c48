"""Create the groups that come with the app."""

from __future__ import annotations

from typing import Any

from imagegen_app.management.base import DatabaseCommand, require_migrations
from imagegen_app.services.policy import roles


class Command(DatabaseCommand):
    """Create the app's groups, or add the permissions that they lack; others are not removed."""

    help = (
        "Create the groups Image editors, Template authors, Image reviewers, Compliance and Image "
        "administrators, or add permissions that they lack."
    )

    def handle(self, *_args: Any, **options: Any) -> None:
        # Without them there are no permissions yet.
        require_migrations()
        roles.create_groups()
        if options["verbosity"] > 0:
            for name, codenames in roles.ROLES.items():
                self.stdout.write(f"{name}: {len(codenames)} permissions")
