"""The audit log: what a line says, rotation, and what becomes of a disk that takes nothing."""

import json
import logging
import stat
import threading

import pytest

from elanus.errors import InvalidArgumentError
from elanus_server.security import audit
from elanus_server.security.audit import AuditLog, AuditRecord, is_recorded
from elanus_server.service.all_calls import METHODS
from elanus_server.service.registry import OWN_METHODS


def record(call="CreateUser", rows=None):
    return AuditRecord(0.5, "ann", "", "10.0.0.1", call, "default", "c", 0, 0.0123456, rows)


def opened(path, **options):
    outcomes = []
    kept = {"max_bytes": 10**6, "every_call": True, "count": outcomes.append, **options}
    return AuditLog(str(path), **kept), outcomes


def test_a_line_says_who_did_what(tmp_path):
    log, outcomes = opened(tmp_path / "audit.log")
    log.add(record())
    log.add(record(rows=0))
    log.close()
    first, second = (tmp_path / "audit.log").read_text().splitlines()
    assert json.loads(first) == {
        "time": "1970-01-01T00:00:00.500Z",
        "user": "ann",
        "address": "10.0.0.1",
        "call": "CreateUser",
        "database": "default",
        "collection": "c",
        "code": 0,
        "duration_ms": 12.346,
    }
    assert json.loads(second)["rows"] == 0
    assert outcomes == ["written", "written"]
    assert stat.S_IMODE((tmp_path / "audit.log").stat().st_mode) == 0o600


def test_a_name_cannot_begin_a_line_of_its_own(tmp_path):
    log, _ = opened(tmp_path / "audit.log")
    log.add(record('x"}\n{"user": "root"'))
    log.close()
    (line,) = (tmp_path / "audit.log").read_text().splitlines()
    assert json.loads(line)["user"] == "ann"


def test_files_are_begun_anew_and_a_few_are_kept(tmp_path):
    size = len(record("call 00").line())
    log, _ = opened(tmp_path / "audit.log", max_bytes=2 * size)
    for number in range(15):
        log.add(record(f"call {number:02}"))
    log.close()
    kept = {}
    for path in tmp_path.iterdir():
        kept[path.name] = [json.loads(line)["call"][-2:] for line in path.read_text().splitlines()]
    assert kept == {
        "audit.log": ["14"],
        "audit.log.1": ["12", "13"],
        "audit.log.2": ["10", "11"],
        "audit.log.3": ["08", "09"],
        "audit.log.4": ["06", "07"],
        "audit.log.5": ["04", "05"],
    }
    log, _ = opened(tmp_path / "audit.log", max_bytes=2 * size)
    log.add(record("call 15"))
    log.close()
    assert len((tmp_path / "audit.log").read_text().splitlines()) == 2


def test_a_file_that_cannot_be_written_is_said_at_once(tmp_path):
    with pytest.raises(InvalidArgumentError, match="choose another file"):
        opened(tmp_path / "none" / "audit.log")


def test_a_full_disk_loses_records_and_stops_nobody(tmp_path, caplog):
    log, outcomes = opened("/dev/full")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            log.add(record())
        log.close()
    assert outcomes == ["lost"] * 3
    assert [r.getMessage() for r in caplog.records] == [
        "audit log /dev/full: cannot write: No space left on device"
    ]


def test_a_disk_that_does_not_answer_holds_no_call_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "MAX_WAITING", 2)
    monkeypatch.setattr(audit, "WAIT_S", 0.001)
    answers, asked = threading.Event(), threading.Event()
    log, outcomes = opened(tmp_path / "audit.log")
    write = log._write

    def slow(line):
        asked.set()
        assert answers.wait(30)
        write(line)

    monkeypatch.setattr(log, "_write", slow)
    log.add(record())
    assert asked.wait(30)
    for _ in range(5):
        log.add(record())
    assert outcomes == ["lost"] * 3
    answers.set()
    log.close()
    assert outcomes == ["lost"] * 3 + ["written"] * 3


def test_what_changes_rights_or_structure_is_always_recorded():
    recorded = {n for n, m in (METHODS | OWN_METHODS).items() if is_recorded(n, m.request, 0)}
    assert {
        "CreateCredential",
        "UpdateCredential",
        "DeleteCredential",
        "OperateUserRole",
        "OperatePrivilegeV2",
        "CreateRowPolicy",
        "AddUserTags",
        "CreateToken",
        "RevokeToken",
        "SetLimits",
        "CreateCollection",
        "DropCollection",
        "AlterCollection",
        "TruncateCollection",
        "CreateAlias",
        "DropPartition",
        "BackupRBAC",
    } <= recorded
    quiet = {"Search", "Query", "Insert", "Upsert", "Delete", "DescribeCollection", "Connect"}
    assert not quiet & recorded
    assert all(is_recorded(name, METHODS[name].request, 1401) for name in quiet)
