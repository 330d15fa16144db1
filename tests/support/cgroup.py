"""Control groups of our own (v1 or v2; they need root): what a service may have of a thing, for benches."""
import contextlib
import os
import pathlib

ROOT = pathlib.Path("/sys/fs/cgroup")
SECOND_VERSION = (ROOT / "cgroup.controllers").exists()


class Cgroup:
    """A group of one controller ("memory", "cpu"); none of it is left after close()."""

    def __init__(self, controller, name=""):
        above = ROOT if SECOND_VERSION else ROOT / controller
        self.folder = above / f"prismguard-bench-{os.getpid()}{name}"
        if SECOND_VERSION:
            (above / "cgroup.subtree_control").write_text(f"+{controller}")
        self.folder.mkdir()

    @property
    def through(self):
        """A command that ends by executing what follows it, inside the group."""
        return ["sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', str(self.folder)]

    def take(self, pids):
        """Processes that run already, as far as they still do, and whatever they start from now on."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (self.folder / "cgroup.procs").write_text(str(pid))

    def processes(self):
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]

    def close(self):
        self.folder.rmdir()


class CpuFirst(Cgroup):
    """Whatever else runs on the machine comes after it; `part`: to what others of these get."""

    SHARES, WEIGHT = 262144, 10000  # the most there are

    def __init__(self, name="", part=1):
        super().__init__("cpu", name)
        file, most = ("cpu.weight", self.WEIGHT) if SECOND_VERSION else ("cpu.shares", self.SHARES)
        (self.folder / file).write_text(str(int(part * most)))


class CpuQuota(CpuFirst):
    """A part of one processor, in slices short enough to go unnoticed."""

    PERIOD_US = 5000

    def __init__(self, part, name=""):
        super().__init__(name)
        quota_us = int(part * self.PERIOD_US)
        if SECOND_VERSION:
            (self.folder / "cpu.max").write_text(f"{quota_us} {self.PERIOD_US}")
        else:
            (self.folder / "cpu.cfs_period_us").write_text(str(self.PERIOD_US))
            (self.folder / "cpu.cfs_quota_us").write_text(str(quota_us))
