"""bench_floor: a folder served from memory by the plainest of FUSE file systems."""
import json
import subprocess

from .commands import Broken, expect


class Floor:
    """A context: the files of stage.source on `.path`."""

    def __init__(self, stage):
        self.name, self.path, self.wanted = "floor", stage.fresh("floor"), stage.count
        self.log = stage.work / "floor.log"
        self.command = [stage.program("bench_floor"), stage.source, self.path]

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(10)
            raise Broken(f"bench_floor: {self.log.read_text(errors='replace')[-500:]}")
        expect(json.loads(line)["files"], self.wanted, "bench_floor, files")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            subprocess.run(["fusermount3", "-uzq", self.path], stderr=subprocess.DEVNULL, timeout=10, check=False)
            self.process.stdout.close()


def available(stage):
    if stage.program("bench_floor").exists():
        return True
    stage.missing["floor"] = "bench_floor is not built"
    return False
