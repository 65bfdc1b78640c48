from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imagegen_app.core import notes
from imagegen_app.core.actors import System
from imagegen_app.services.audit import key_rotation, log_key, sealing, verification
from imagegen_app.services.erasure import commands, scopes
from imagegen_app.services.gateways import resigning
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import _pack_verifier, evidence, placement, review
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_image, make_user
from tests.services import arranged

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.models import Asset
    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db


@pytest.fixture
def asset(site: Site, settings: Any, tmp_path: Path) -> Asset:
    """Return an edited image that was approved by a person and placed in a product."""
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "RENDITIONS": {"WIDTHS": [32], "FORMATS": ["webp", "jpeg"]},
    }
    job = site.request(operation="edit", inputs=[InputSource(data=make_image())])
    driver.drive(seconds=15)
    job.refresh_from_db()
    assert job.state == "succeeded", (job.error_code, job.error_message)
    made: Asset = job.assets.get()
    boss = make_user("boss", is_superuser=True, first_name="Berta", last_name="Boss")
    reviewer = access.actor_for(boss)
    review.approve(actor=reviewer, asset=made)
    product, _other = arranged.product_and_asset(site)
    placement.attach(actor=reviewer, asset=made, target=product, field="image")
    made.refresh_from_db()
    return made


def packed(asset: Asset, *, by: str = "otto") -> bytes:
    auditor = make_user(by, permissions=["imagegen.export_audit"])
    return evidence.build_pack(actor=access.actor_for(auditor), asset=asset).data


def opened(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def unpacked(files: dict[str, bytes], folder: Path) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def verified(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the pack's own script with nothing but the standard library, away from this project."""
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={},
        timeout=60,
        check=False,
    )
    assert run.stderr == ""
    return run.returncode, run.stdout


def test_a_pack_is_complete(asset: Asset) -> None:
    files = opened(packed(asset))

    extension = asset.storage_key.rpartition(".")[2]
    assert {
        f"master.{extension}",
        "renditions/32x32.webp",
        "renditions/32x32.jpg",
        "story.html",
        "verify.py",
        "log-key.txt",
        "MANIFEST.json",
        "MANIFEST.note",
    } <= set(files), sorted(files)
    facts = json.loads(files["summary.json"])
    (sent,) = facts["inputs"]
    assert sent["file"] in files
    assert facts["reviewed_by"] == "Berta Boss (boss)"
    assert facts["label"] == "AI modified"
    assert facts["requested_by_name"] == "edda"
    assert len(facts["renditions"]) == 2
    assert files["log-key.txt"].decode().strip() == sealing.vkey()


def test_the_story_tells_it_in_sentences(asset: Asset) -> None:
    files = opened(packed(asset))
    html = files["story.html"].decode()

    for text in (
        "Requested by edda",
        "Decision by Berta Boss (boss)",
        "AI modified",
        "boss placed image",
        "an uploaded image",
        "renditions/32x32.webp",
        sealing.vkey(),
        'href="data:text/css;base64,',
        'src="data:image/',
    ):
        assert text in html, text
    # It loads nothing, and holds no prompt.
    # Not "http": an image as text may hold these four letters by chance.
    assert "://" not in html.replace("http://cv.iptc.org", "")
    assert "A red mug" not in html
    for name in set(files) - {"story.html", "MANIFEST.json", "MANIFEST.note"}:
        assert f"<code>{name}</code>" in html


def test_a_pack_is_verified_with_the_standard_library_alone(asset: Asset, tmp_path: Path) -> None:
    data = packed(asset)
    folder = unpacked(opened(data), tmp_path / "pack")
    archive = tmp_path / "pack.zip"
    archive.write_bytes(data)
    published = tmp_path / "published.txt"
    checkpoint = sealing.make_checkpoint(access.actor_for(make_user("x")), force=True)
    assert checkpoint is not None
    published.write_text(checkpoint.note)

    without_key = verified(folder)
    with_key = verified(folder, "--key", sealing.vkey(), "--checkpoint", str(published))
    zipped = verified(folder, "--key", sealing.vkey(), str(archive))

    assert without_key[0] == 3, without_key[1]
    assert "Nothing proves yet whose key it is" in without_key[1]
    assert with_key[0] == 0, with_key[1]
    assert zipped[0] == 0, zipped[1]


def test_a_pack_is_verified_after_its_files_were_rewritten_by_an_erasure(
    asset: Asset, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resigning, "has_prompt", lambda *_a, **_o: True)
    officer = make_user("officer", permissions=["imagegen.erase_personal_data"])
    commands.erase(access.actor_for(officer), scopes.job_scope(asset.job), reason="asked")
    former = asset.sha256
    asset.refresh_from_db()
    assert asset.sha256 != former

    files = opened(packed(asset))

    assert verified(unpacked(files, tmp_path / "pack"), "--key", sealing.vkey())[0] == 0
    assert "had an erased text taken out of the files" in files["story.html"].decode()


def changed(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        found = next(one for one in files if one.startswith(name))
        assert old in files[found]
        files[found] = files[found].replace(old, new, 1)

    return change


def with_new_list(files: dict[str, bytes]) -> None:
    """Change a file and the list with it, as somebody without the log's key can."""
    files["summary.json"] = files["summary.json"].replace(b"edda", b"emil")
    files["MANIFEST.json"] = evidence._signed_list(
        {n: d for n, d in files.items() if not n.startswith("MANIFEST")}
    )["MANIFEST.json"]


def without_event(files: dict[str, bytes]) -> None:
    files["events.jsonl"] = files["events.jsonl"].partition(b"\n")[2]
    signed_anew(files)


def signed_anew(files: dict[str, bytes]) -> None:
    """Sign the list again, as somebody at the site can."""
    rest = {n: d for n, d in files.items() if not n.startswith("MANIFEST")}
    files.update(evidence._signed_list(rest))


def event_changed(files: dict[str, bytes]) -> None:
    changed("events.jsonl", b'"severity":"info"', b'"severity":"alarm"')(files)
    signed_anew(files)


def master_changed(files: dict[str, bytes]) -> None:
    name = next(one for one in files if one.startswith("master."))
    files[name] += b"\0"
    signed_anew(files)


def checkpoint_changed(files: dict[str, bytes]) -> None:
    header, _end, rest = files["events.proofs.jsonl"].partition(b"\n")
    told = json.loads(header)
    size = told["checkpoint"].splitlines()[1]
    told["checkpoint"] = told["checkpoint"].replace(f"\n{size}\n", f"\n{int(size) + 1}\n", 1)
    files["events.proofs.jsonl"] = json.dumps(told).encode() + b"\n" + rest
    signed_anew(files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("summary.json", b"edda", b"emil"), "summary.json was changed"),
        (lambda files: files.update({"extra.txt": b""}), "not in its list: extra.txt"),
        (lambda files: files.pop("story.html"), "story.html is missing"),
        (with_new_list, "not the list that was signed"),
        (without_event, "not as many proofs as events"),
        (event_changed, "is not the one in the signed log"),
        (master_changed, "does not name master"),
        (checkpoint_changed, "The checkpoint is not signed"),
        (lambda files: files.update({"events.proofs.jsonl": b"{"}), "cannot be read"),
    ],
)
def test_a_pack_that_was_changed_fails(
    asset: Asset,
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], None],
    message: str,
) -> None:
    files = opened(packed(asset))
    change(files)

    status, told = verified(unpacked(files, tmp_path / "pack"), "--key", sealing.vkey())

    assert status == 1
    assert message in told


def test_a_pack_of_another_key_fails(asset: Asset, tmp_path: Path) -> None:
    folder = unpacked(opened(packed(asset)), tmp_path / "pack")
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    name = sealing.vkey().partition("+")[0]

    status, told = verified(folder, "--key", notes.vkey(name, other))

    assert status == 1
    assert "another key than the one that you gave" in told


def test_a_published_checkpoint_of_a_rewritten_log_fails(asset: Asset, tmp_path: Path) -> None:
    files = opened(packed(asset))
    folder = unpacked(files, tmp_path / "pack")
    header = json.loads(files["events.proofs.jsonl"].partition(b"\n")[0])
    signed = notes.parse_checkpoint(notes.parse_note(header["checkpoint"]).text)
    other = tmp_path / "published.txt"
    other.write_text(
        notes.sign_checkpoint(
            origin=signed.origin,
            size=signed.size,
            root=b"\1" * 32,
            private_key=log_key.private_key(),
        )
    )

    status, told = verified(folder, "--key", sealing.vkey(), "--checkpoint", str(other))

    assert status == 1
    assert "it was rewritten" in told


def test_the_scripts_signatures_are_those_of_a_known_library() -> None:
    for number in range(8):
        key = Ed25519PrivateKey.generate()
        public, message = key.public_key().public_bytes_raw(), bytes([number]) * number * 7
        signature = key.sign(message)

        assert _pack_verifier.is_signed(public, message, signature)
        assert not _pack_verifier.is_signed(public, message + b"!", signature)
        for place in (0, 31, 32, 63):
            forged = bytearray(signature)
            forged[place] ^= 1
            assert not _pack_verifier.is_signed(public, message, bytes(forged))
        # The same signature with a larger number must not count (RFC 8032, 5.1.7).
        larger = int.from_bytes(signature[32:], "little") + _pack_verifier.L
        malleable = signature[:32] + larger.to_bytes(32, "little")
        assert not _pack_verifier.is_signed(public, message, malleable)
    assert not _pack_verifier.is_signed(b"\xff" * 32, b"", bytes(64))


def test_a_pack_made_after_the_key_was_replaced_verifies_with_the_new_key(
    asset: Asset, tmp_path: Path
) -> None:
    before = opened(packed(asset))
    old = sealing.vkey()
    rotation = key_rotation.rotate(System("test"))
    after = opened(packed(asset, by="ada"))

    assert after["log-key.txt"].decode().strip() == rotation.new != old
    code, said = verified(unpacked(after, tmp_path / "after"), "--key", rotation.new)
    assert code == 0, said
    code, said = verified(unpacked(before, tmp_path / "before"), "--key", old)
    assert code == 0, said


def test_after_an_erasure_the_log_the_export_and_a_new_pack_verify(
    asset: Asset, tmp_path: Path
) -> None:
    officer = access.actor_for(make_user("olga", permissions=["imagegen.erase_personal_data"]))

    commands.erase_prompt(officer, job=asset.job, reason="asked for")
    asset.refresh_from_db()
    sealing.seal_all()
    report = verification.verify()
    files = opened(packed(asset))

    assert (report.ok, report.findings) == (True, ())
    code, said = verified(
        unpacked(files, tmp_path / "pack"), "--key", files["log-key.txt"].decode().strip()
    )
    assert code == 0, said


def test_a_pack_is_verified_with_a_key_and_a_checkpoint_of_before_the_key_was_replaced(
    asset: Asset, tmp_path: Path
) -> None:
    old, published = sealing.vkey(), tmp_path / "published.txt"
    sealing.seal_all()
    checkpoint = sealing.make_checkpoint(System("test"), force=True)
    assert checkpoint is not None
    published.write_text(checkpoint.note)
    key_rotation.rotate(System("test"))
    folder = unpacked(opened(packed(asset)), tmp_path / "pack")

    code, said = verified(folder, "--key", old, "--checkpoint", str(published))

    assert code == 0, said
    assert "The key that you gave was replaced" in said
    assert f"The log continues the published checkpoint of {checkpoint.size} events" in said


def test_a_published_checkpoint_without_a_proof_in_the_pack_is_not_called_compared(
    asset: Asset, tmp_path: Path
) -> None:
    published = tmp_path / "published.txt"
    sealing.seal_all()
    checkpoint = sealing.make_checkpoint(System("test"), force=True)
    assert checkpoint is not None
    published.write_text(checkpoint.note)
    packed(asset)  # which is an event, so that the log grows
    folder = unpacked(opened(packed(asset, by="ada")), tmp_path / "pack")

    code, said = verified(folder, "--key", sealing.vkey(), "--checkpoint", str(published))

    assert code == 3, said
    assert "continues the published" not in said
    assert f"no proof about the checkpoint of {checkpoint.size} events" in said
