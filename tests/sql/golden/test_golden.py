"""Spark's golden files: no row may be silently wrong, and what was right stays right. The table is docs/sql-compatibility.md."""
import collections
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import golden  # noqa: E402

from harness import ROOT, platform  # noqa: E402

# Statements that were right when this was last measured; raise it with what is gained.
RIGHT = 2727
RIGHT_OF_OTHERS = 1801
RIGHT_IN_ZONE = 480


def jar():
    cache = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")
    subprocess.run([sys.executable, ROOT / "deps" / "fetch.py", "--cache", str(cache), "golden"], check=True)
    return cache / "java-golden" / "spark-sql_2.13-4.2.0-tests.jar"


def test_times_in_a_zone_are_sparks(monkeypatch):
    """The suite's own zone is Los Angeles: there times must agree to the letter, and what is not made for zones must say so."""
    monkeypatch.setattr(golden, "ZONE", "America/Los_Angeles")
    with platform() as server:
        results = golden.run(jar(), ["timestamp", "timestamp-ntz", "date", "datetime-parsing", "extract", "try_datetime_functions", "interval", "cast"], golden.asker(server))
    counts = collections.Counter(verdict for _, verdict, _ in results)
    wrong = [f"{c.file} {c.number}: {' '.join(c.sql.split())[:120]}: {detail}" for c, verdict, detail in results if verdict in ("wrong", "failed")]
    assert not wrong, "\n".join(wrong)
    assert counts["right"] >= RIGHT_IN_ZONE, counts


@pytest.mark.parametrize("names, least", [("files.txt", RIGHT), ("others.txt", RIGHT_OF_OTHERS)])
def test_no_answer_differs_from_sparks(names, least):
    names = [n for n in (ROOT / "tests/sql/golden" / names).read_text().split("\n") if n]
    with platform() as server:
        results = golden.run(jar(), names, golden.asker(server))
    counts = collections.Counter(verdict for _, verdict, _ in results)
    wrong = [f"{c.file} {c.number}: {' '.join(c.sql.split())[:120]}: {detail}" for c, verdict, detail in results if verdict == "wrong"]
    assert not wrong, "\n".join(wrong)
    assert counts["right"] + counts["zone"] >= least, counts
