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
    query = np.random.default_rng(0).standard_normal(64)
    with Memory.open(folder, HashEncoder()) as memory:
        assert memory.journal("last_s") == max(record.stamp_s for record in memory.records(include_retracted=True))
        for record_id in ids:
            assert memory.get(record_id).record_id == record_id
        top = memory.version()["crash"]
        assert top == len(memory) == len(list(memory.records(include_retracted=True)))
        hits = memory.recall(query, k=20)
        with Memory(HashEncoder()) as rebuilt:
            delta = memory.delta({})
            rebuilt.merge(delta)
            assert all(same_record(a, b) for a, b in zip(memory.records(), rebuilt.records(), strict=True))
            again = rebuilt.recall(query, k=20)
        assert [(h.record_id, h.score, h.probability) for h in hits] == [
            (h.record_id, h.score, h.probability) for h in again
        ]


def run(folder, kills, seed):
    rng = random.Random(seed)
    ids: list[RecordId] = []
    for number in range(kills):
        ids += killed_writer(folder, seed=number, after_s=rng.uniform(0.0, 0.25))
        check_nothing_is_lost(folder, ids)
    assert len(ids) == len(set(ids)) > kills


def test_no_acknowledged_record_is_lost_in_6_kills(tmp_path):
    run(tmp_path / "m", kills=6, seed=0)


@pytest.mark.slow
def test_no_acknowledged_record_is_lost_in_50_kills(tmp_path):
    run(tmp_path / "m", kills=50, seed=1)
