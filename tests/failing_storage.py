"""A storage that fails as object storages do: with errors of its library, and at any call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class EndpointConnectionError(Exception):
    """No `OSError`, as botocore's error of this name is none."""


class LazyFile(File):  # type: ignore[type-arg]  # the stubs name no bytes
    """A file whose bytes are fetched when they are read, as those of object storages are."""

    def read(self, *arguments: Any) -> Any:
        FailingStorage.meet("read")
        file: Any = self.file
        return file.read(*arguments)


class FailingStorage(FileSystemStorage):
    """Fails at the calls that `failing` names; `*` stands for all of them."""

    failing: ClassVar[set[str]] = set()
    #: Calls wait for this before they go on, if it is set.
    hold: ClassVar[Callable[[str], None] | None] = None
    #: The names of all calls so far.
    calls: ClassVar[list[str]] = []

    @classmethod
    def meet(cls, call: str) -> None:
        """Fail if this call is to fail."""
        cls.calls.append(call)
        if cls.hold is not None:
            cls.hold(call)
        if cls.failing & {"*", call}:
            raise EndpointConnectionError(
                'Could not connect to the endpoint URL: "https://bucket/"'
            )

    def _open(self, name: str, mode: str = "rb") -> Any:
        self.meet("open")
        return LazyFile(super()._open(name, mode))  # type: ignore[misc]  # the stubs leave it out

    def _save(self, name: str, content: Any) -> str:
        self.meet("save")
        saved: str = super()._save(name, content)  # type: ignore[misc]  # the stubs leave it out
        return saved

    def exists(self, name: str) -> bool:
        self.meet("exists")
        return super().exists(name)

    def size(self, name: str) -> int:
        self.meet("size")
        return super().size(name)

    def delete(self, name: str) -> None:
        self.meet("delete")
        super().delete(name)

    def url(self, name: str | None) -> str:
        self.meet("url")
        return super().url(name)


def use_failing_storage(settings: Any, *, folder: Any) -> Iterator[type[FailingStorage]]:
    """Make both storages of the site such ones, which work until told to fail."""
    backend = {"BACKEND": "tests.failing_storage.FailingStorage"}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**backend, "OPTIONS": {"location": folder / "media"}},
        "imagegen": {
            **backend,
            "OPTIONS": {"location": folder / "imagegen", "allow_overwrite": True},
        },
    }
    FailingStorage.failing, FailingStorage.calls = set(), []
    yield FailingStorage
    FailingStorage.failing, FailingStorage.hold = set(), None
