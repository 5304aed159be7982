"""The benchmark still runs: a few rows of it, on little mail. What it finds is not judged here."""
import json
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_benchmark_runs(binary, tmp_path):
    build = binary.parents[1]
    if not (build / "tests/bench/bench_link").exists():
        pytest.skip(f"no benchmark is built in {build}")
    rows = ["warm-grep", "warm-ls", "warm-find", "warm-grep-ro", "remount", "memory"]
    command = [ROOT / "tests/bench/run", "--count", "120", "--million", "2000", "--rounds", "1", "--build", build, "--rows",
               ",".join(rows), "--json", tmp_path / "figures.json", "--svg", tmp_path / "chart.svg"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=170)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["broken"] == {}
    medians = {row["row"]: row["medians"] for row in found["rows"]}
    assert set(medians) == set(rows)
    assert all(columns["outlookfs"] > 0 for columns in medians.values()), medians
    assert all(medians[name]["local"] > 0 for name in rows[:4]), medians
    assert "warm ls -l" in done.stdout
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")
