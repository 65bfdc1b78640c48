"""Run the provider simulator, so that a site can be tried without a paid account."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from imagegen_app.testing.simulator import server
from imagegen_app.testing.simulator.protocols import UnknownProtocol

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Serve the simulator until interrupted."""

    help = (
        "Run the provider simulator, an HTTP server that answers like image APIs with drawn "
        "images, fails on demand and records what it would bill."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the simulator's own options."""
        server.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the simulator.

        :raises CommandError: if uvicorn is not installed, or there is no such protocol.
        """
        del args
        try:
            with contextlib.suppress(KeyboardInterrupt):
                server.run(options)
        except (UnknownProtocol, server.UvicornMissing) as error:
            raise CommandError(str(error)) from None
