"""Commit files to a Git repository and push them; read what the repository has."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds for one command.
_SECONDS: Final = 60
_BRANCH: Final = "checkpoints"
_UPSTREAM: Final = f"refs/remotes/origin/{_BRANCH}"
#: What a hook or another program of Git would make us take for our own repository.
_OF_A_CALLER: Final = frozenset(
    {"GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"}
)
_AUTHOR: Final = ("-c", "user.name=imagegen_app", "-c", "user.email=imagegen_app@localhost")

#: What Git and ssh complain of, and what that means for the site; the first that fits counts.
_REASONS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (
            "host key verification failed",
            gettext_lazy(
                "the server's host key is not known; add it to the known_hosts of the worker's user"
            ),
        ),
        (
            r"authentication failed|could not read (username|password)|denied|error: 40[13]\b",
            gettext_lazy(
                "the server refuses the credentials; give the worker's user ones that may read and "
                "push"
            ),
        ),
        (
            "could not resolve|name or service not known",
            gettext_lazy("the server's name cannot be resolved; check TARGET and the name service"),
        ),
        (
            "certificate",
            gettext_lazy(
                "the server's certificate is not trusted; check it and the worker's clock"
            ),
        ),
        (
            "connection refused|connection reset|timed out|unreachable|connect to",
            gettext_lazy("the server cannot be reached; check TARGET, the network and firewalls"),
        ),
        (
            "dubious ownership",
            gettext_lazy("the repository belongs to another user; set Git's safe.directory"),
        ),
        (
            "non-fast-forward|fetch first|stale info|cannot lock ref",
            gettext_lazy("another process pushed at the same time; it is tried again"),
        ),
        (
            "rejected|declined|protected",
            gettext_lazy("the server refuses the push; allow pushes to the branch checkpoints"),
        ),
        (
            "does not appear to be a git repository|not found|does not exist|not a git repository",
            gettext_lazy(
                "there is no repository at TARGET, or the credentials do not show it; check TARGET"
            ),
        ),
    )
)


class GitFailed(Exception):
    """A command of Git failed; the message says why and what to do, in words of our own."""


class Clone:
    """A bare clone in the state folder, which may be deleted at any time."""

    def __init__(self, url: str, *, folder: Path) -> None:
        self._url = url
        self._folder = folder

    def fetch(self) -> list[str]:
        """Fetch the branch, and return the names of its files.

        :raises GitFailed: if the repository cannot be reached.
        """
        if not (self._folder / "HEAD").exists():
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise GitFailed(error.strerror or type(error).__name__) from None
            self._git("init", "--quiet", "--bare", ".")
        heads = self._git("ls-remote", "--heads", "--", self._url, f"refs/heads/{_BRANCH}")
        if not heads.strip():
            return []
        self._git(
            "fetch", "--quiet", "--no-tags", "--", self._url, f"+refs/heads/{_BRANCH}:{_UPSTREAM}"
        )
        listed = self._git("ls-tree", "-z", "--name-only", _UPSTREAM)
        return [name.decode("utf-8", errors="replace") for name in listed.split(b"\0") if name]

    def read(self, name: str) -> bytes:
        """Return the content of a file, as it was fetched.

        :raises GitFailed: if it cannot be read.
        """
        return self._git("cat-file", "blob", f"{_UPSTREAM}:{name}")

    def add(self, name: str, data: bytes, *, message: str) -> None:
        """Commit a file on top of what the repository has, and push it.

        :raises GitFailed: if the repository cannot be reached, or refuses the push.
        """
        names = self.fetch()
        if name in names:
            return
        blob = self._git("hash-object", "-w", "--stdin", given=data).strip().decode()
        tree = self._git("ls-tree", "-z", _UPSTREAM) if names else b""
        tree += f"100644 blob {blob}\t{name}\0".encode()
        made = self._git("mktree", "-z", given=tree).strip().decode()
        parent = ("-p", _UPSTREAM) if names else ()
        commit = self._git(*_AUTHOR, "commit-tree", made, *parent, "-m", message)
        # Not forced: what another process pushed meanwhile stays, and this is tried again later.
        self._git(
            "push", "--quiet", "--", self._url, f"{commit.strip().decode()}:refs/heads/{_BRANCH}"
        )

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        command = next(argument for argument in arguments if argument not in _AUTHOR)
        try:
            with subprocess.Popen(  # noqa: S603 - no shell; the repository is from the settings
                ["git", *arguments],  # noqa: S607 - the one of the PATH
                cwd=self._folder,
                env={
                    **{name: text for name, text in os.environ.items() if name not in _OF_A_CALLER},
                    "GIT_DIR": str(self._folder),
                    "GIT_TERMINAL_PROMPT": "0",
                    # So that its complaints are those that we know.
                    "LC_ALL": "C",
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Without a terminal, so that nothing asks for a password; and as one group, since
                # git's own children would keep our pipes open after its end.
                start_new_session=True,
            ) as process:
                try:
                    printed, complaint = process.communicate(given, timeout=_SECONDS)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise
        except FileNotFoundError:
            raise GitFailed(_("Git is not installed")) from None
        except subprocess.TimeoutExpired:
            raise GitFailed(
                _("git %(command)s took more than %(seconds)s seconds: check the network")
                % {"command": command, "seconds": _SECONDS}
            ) from None
        except OSError as error:
            raise GitFailed(f"git {command}: {error.strerror or type(error).__name__}") from None
        if process.returncode:
            raise GitFailed(_failure(command, complaint.decode("utf-8", errors="replace")))
        return printed


def _failure(command: str, complaint: str) -> str:
    """Return why a command failed and what to do; what Git printed may hold an address."""
    for pattern, reason in _REASONS:
        if pattern.search(complaint):
            return _("git %(command)s failed: %(reason)s") % {"command": command, "reason": reason}
    return _("git %(command)s failed: run it by hand as the worker's user, which says why") % {
        "command": command
    }
