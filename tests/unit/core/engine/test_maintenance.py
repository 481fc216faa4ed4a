import os
import sys
import threading

import pytest

from elanus.engine.maintenance import NICENESS, Checkpoint, Maintenance, Priority


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own")
def test_background_work_gives_way_to_callers() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    seen: list[int] = []

    def job(checkpoint: Checkpoint) -> None:
        # Threads that a job starts, as for building an index, inherit it.
        inner = threading.Thread(target=lambda: seen.append(niceness()))
        inner.start()
        inner.join()
        seen.append(niceness())

    maintenance = Maintenance()
    maintenance.submit(Priority.FLUSH, "job", job)
    maintenance.wait_idle()
    maintenance.close()
    assert seen == [min(before + NICENESS, 19)] * 2
    assert niceness() == before
