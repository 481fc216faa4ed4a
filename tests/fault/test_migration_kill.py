"""A migration whose process is killed goes on when it is called again, and pays for no text twice
but those of the batch that was under way."""

import os
import signal
import subprocess
import sys
import time

import numpy as np

import elanus
from elanus.plugins import get_embedder
from support.judged import embedded_schema, entities

BATCH = 10
KILLS = 3
MIGRATION = """
import sys, time
import elanus
from elanus_embeddings.hashing import HashEmbedder
embed = HashEmbedder.embed_documents
def embedding(self, texts):
    if self.info.dim == 48:
        with open(sys.argv[2], "a") as log:
            log.writelines(text + "\\n" for text in texts if text.endswith("!"))
        time.sleep(0.05)
    return embed(self, texts)
HashEmbedder.embed_documents = embedding
collection = elanus.connect(sys.argv[1]).collection("kb")
print("ready", flush=True)
migration = collection.migrate_embeddings("hash", params={"dim": 48}, batch_size=int(sys.argv[3]))
print(*migration.wait(), flush=True)
"""


def migrate(folder, log, *, kill_after=None):
    """Return what the process printed; it is killed once it has embedded so many texts."""
    process = subprocess.Popen(
        [sys.executable, "-c", MIGRATION, str(folder), str(log), str(BATCH)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    while kill_after is not None and process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) >= kill_after:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    output, _ = process.communicate()
    return output.strip()


def test_a_killed_migration_goes_on_and_pays_once(tmp_path):
    rows = [{"id": e["id"], "text": f"{e['text']} entity {e['id']}!"} for e in entities()]
    with elanus.connect(tmp_path / "db") as db:
        db.create_collection("kb", embedded_schema()).insert(rows)
    log = tmp_path / "embedded.txt"
    for kill in range(1, KILLS + 1):
        assert migrate(tmp_path / "db", log, kill_after=25 * kill) == ""
    assert migrate(tmp_path / "db", log) == f"{len(rows)} {len(rows)}"
    embedded = log.read_text().splitlines()
    assert set(embedded) == {row["text"] for row in rows}
    assert len(embedded) <= len(rows) + KILLS * BATCH
    with elanus.connect(tmp_path / "db") as db:
        made = db.collection("kb")
        found = {e["id"]: e for e in made.query(output=["id", "text", "dense_2"])}
        assert len(found) == len(rows)
        wanted = get_embedder("hash", dim=48).embed_documents([row["text"] for row in rows])
        vectors = np.array([found[row["id"]]["dense_2"] for row in rows])
        assert np.allclose(vectors, wanted)
        made.embedding_migration().switch()
        assert made.search(rows[3]["text"], "dense", 1).ids == [3]
