"""Files are written completely or not at all."""

import os
from pathlib import Path

import pytest

from numbamm import files
from numbamm.errors import OptionError


def test_a_new_file_and_an_old_one(tmp_path):
    path = tmp_path / "fit.json"
    files.write(path, b"one")
    files.write(str(path), b"two")
    assert path.read_bytes() == b"two" and list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "fit.json"
    path.write_bytes(b"old")

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OptionError, match="fit.json cannot be written: No space left on device"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="links and devices of POSIX")
def test_links_are_followed_and_devices_written_to(tmp_path):
    path, link = tmp_path / "fit.json", tmp_path / "link"
    path.write_bytes(b"old")
    link.symlink_to(path)
    files.write(link, b"new")
    assert link.is_symlink() and path.read_bytes() == b"new"
    files.write("/dev/null", b"nothing")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (3, "path must be the name of a file, not 3"),
        ("no/such/folder/fit", "cannot be written: No such"),
        ("a\0b", "cannot be written"),
        (".", "cannot be written"),
    ],
)
def test_what_is_no_file(path, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match=message):
        files.write(path, b"content")
