import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from placecell import Memory
from placecell.memory.records import RecordId
from placecell.memory.testing import HashEncoder, same_record


def killed_writer(folder, seed, after_s) -> list[RecordId]:
    """Ids that a writer printed before it was killed, at a random moment after its first."""
    code = f"from placecell.memory.testing import write_forever; write_forever({str(folder)!r}, {seed})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(after_s)
        child.kill()
        rest = child.stdout.read()
    assert child.returncode == -signal.SIGKILL
    # The kill may have cut the last line short; what is not a whole line was not yet returned.
    lines = (first + rest).split("\n")[:-1]
    return [RecordId.parse(line) for line in lines]


def check_nothing_is_lost(folder, ids):
    with Memory.open(folder, HashEncoder()) as memory:
        records = list(memory.records(include_retracted=True))
        assert memory.version()["crash"] == len(memory) == len(records)
        assert {record.record_id for record in records} >= set(ids)
        assert memory.journal("last_s") == max(record.stamp_s for record in records)


def check_views_agree_with_a_rebuild(folder):
    query = np.random.default_rng(0).standard_normal(64)
    with Memory.open(folder, HashEncoder()) as memory, Memory(HashEncoder()) as rebuilt:
        rebuilt.merge(memory.delta({}))
        assert all(same_record(a, b) for a, b in zip(memory.records(), rebuilt.records(), strict=True))
        hits, again = memory.recall(query, k=20), rebuilt.recall(query, k=20)
        assert [(h.record_id, h.score, h.probability) for h in hits] == [
            (h.record_id, h.score, h.probability) for h in again
        ]


def run(folder, kills, seed, longest_s):
    rng = random.Random(seed)
    ids: list[RecordId] = []
    for number in range(kills):
        ids += killed_writer(folder, seed=100 * seed + number, after_s=rng.uniform(0.0, longest_s))
        check_nothing_is_lost(folder, ids)
        if number % 3 == 2:
            check_views_agree_with_a_rebuild(folder)
    check_views_agree_with_a_rebuild(folder)
    assert len(ids) == len(set(ids)) > kills


def test_no_acknowledged_record_is_lost_in_6_kills(tmp_path):
    run(tmp_path / "m", kills=6, seed=0, longest_s=0.05)


@pytest.mark.slow
def test_no_acknowledged_record_is_lost_in_50_kills(tmp_path):
    for seed in range(5):  # five folders, so that checking stays short beside killing
        run(tmp_path / f"m{seed}", kills=10, seed=seed, longest_s=0.25)
