"""How many processors there are, under a control group's limit."""

import pytest

from numbamm import memory, processors


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        ("0::/", {"cpu.max": "max 100000"}, 4),
        ("0::/", {"cpu.max": "150000 100000"}, 2),
        ("0::/a/b", {"a/cpu.max": "50000 100000"}, 1),
        ("3:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("3:cpu:/", {}, 4),
    ],
)
def test_processors_that_a_control_group_allows(tmp_path, monkeypatch, text, files, expected):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "cgroup").write_text(text)
    monkeypatch.setattr(processors.os, "sched_getaffinity", lambda _: range(4), raising=False)
    path = memory.Path

    def moved(name):
        name = str(name).replace("/proc/self/cgroup", str(tmp_path / "cgroup"))
        return path(name.replace("/sys/fs/cgroup", str(tmp_path)))

    monkeypatch.setattr(memory, "Path", moved)
    assert processors.available() == expected
