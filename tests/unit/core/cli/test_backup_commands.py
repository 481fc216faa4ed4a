"""What a person sees of ``elanus backup``, ``restore`` and ``repair``."""

import json
import re

import pytest

from elanus.cli.main import main
from support.stored_files import damage, make_papers, one, rows_in


@pytest.fixture
def folder(tmp_path):
    make_papers(tmp_path / "kb")
    return tmp_path / "kb"


def printed(capsys):
    text = re.sub(r"[\d.]+ (B|kB)\b", "SIZE", capsys.readouterr().out)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "TIME", text)
    text = re.sub(r"\d{8}T\d{6}Z", "STAMP", text)
    return re.sub(r"\d+\.\d s\b", "TIME s", text).splitlines()


def test_backup_check_and_restore(folder, tmp_path, capsys):
    backups, new = tmp_path / "backups", tmp_path / "new"
    assert main(["backup", str(folder), str(backups)]) == 0
    assert main(["backup", str(folder), str(backups), "--keep", "1"]) == 0
    assert main(["check", str(backups), "--backup"]) == 0
    assert main(["restore", str(backups), str(new)]) == 0
    assert printed(capsys) == [
        "backup 1: 23 files, SIZE copied, SIZE in earlier backups already, TIME s",
        "backup 2: 23 files, SIZE copied, SIZE in earlier backups already, TIME s",
        "  deleted: 1 older backup",
        "backup 2 of TIME: ok, 23 files, SIZE read",
        "backup 2 of TIME: 23 files, SIZE, verified and restored in TIME s",
        "collections: papers",
    ]
    assert rows_in(new) == rows_in(folder)


def test_places_that_cannot_be(folder, tmp_path, capsys):
    file, backups = tmp_path / "file", tmp_path / "backups"
    file.touch()
    main(["backup", str(folder), str(backups)])
    capsys.readouterr()
    is_file = f"elanus: '{file}' is a file; pass a folder, or a name to create one\n"
    for command, message in [
        (["backup", str(folder), str(file)], is_file),
        (["restore", str(backups), str(file)], is_file),
        (
            ["backup", str(tmp_path / "none"), str(backups)],
            f"elanus: no elanus database in {tmp_path / 'none'}; check the path\n",
        ),
    ]:
        assert main(command) == 1
        assert capsys.readouterr().err == message


def test_damaged_backup_is_named(folder, tmp_path, capsys):
    backups = tmp_path / "backups"
    main(["backup", str(folder), str(backups)])
    file = sorted(backups.glob("c/*/seg/*/004-dense.vec"))[0]
    damage(file)
    capsys.readouterr()
    assert main(["check", str(backups), "--backup"]) == 1
    assert printed(capsys) == [
        "backup 1 of TIME: damaged, 23 files, SIZE read",
        f"  DAMAGE    {file.relative_to(backups)}: damaged at byte 0: the checksum of a block does "
        f"not match",
        "A damaged backup cannot be restored. The next backup of the database copies damaged files "
        "that it still has again.",
    ]
    assert main(["restore", str(backups), str(tmp_path / "new")]) == 1
    assert str(file.relative_to(backups)) in capsys.readouterr().err


def test_json_of_backup_and_restore(folder, tmp_path, capsys):
    main(["backup", str(folder), str(tmp_path / "b"), "--json"])
    made = json.loads(capsys.readouterr().out)
    assert (made["number"], made["files"], made["reused_bytes"]) == (1, 23, 0)
    main(["restore", str(tmp_path / "b"), str(tmp_path / "new"), "--backup", "1", "--json"])
    assert json.loads(capsys.readouterr().out)["collections"] == ["papers"]


def test_repair_of_a_whole_database(folder, capsys):
    assert main(["repair", str(folder)]) == 0
    assert printed(capsys) == [
        "Nothing is damaged.",
        "Checked again: every byte is what was written.",
    ]


def test_repair_of_a_derivable_file(folder, capsys):
    file = sorted(folder.glob("c/*/seg/*/pk.idx"))[0].relative_to(folder)
    damage(folder / file)
    assert main(["repair", str(folder)]) == 0
    assert printed(capsys) == [
        f"repaired  {file}",
        "          built again from the primary keys",
        f"The files that were replaced are in {folder}/damaged/STAMP",
        "Checked again: every byte is what was written.",
    ]


def test_repair_explains_what_salvaging_would_lose(folder, capsys):
    log = one(folder, "c/*/wal/*.wal").relative_to(folder)
    damage(folder / log)
    assert main(["repair", str(folder)]) == 1
    lines = printed(capsys)
    assert lines[0].startswith(f"left      {log}: damaged at byte ")
    assert lines[1].startswith(
        "          the writes in the damaged bytes are lost (sequence numbers"
    )
    assert lines[2:] == [
        "          cure: elanus repair --salvage, or restore a backup",
        f"What is left cannot be repaired without a loss. Restore a backup if there is one; "
        f"otherwise see what can be kept with: elanus repair {folder} --salvage --dry-run",
    ]


def test_salvage_says_what_is_lost(folder, capsys):
    (deletes,) = folder.glob("c/*/del/*")
    title = one(folder, f"c/*/seg/{deletes.name[:36]}/001-title.col")
    damage(title)
    segment = title.parent.relative_to(folder)
    would = [
        f"{{}}  {segment}",
        "          no row of the segment can be kept",
        "          lost: 33 of 33 rows",
        "33 rows could not be kept: primary keys 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...",
    ]
    assert main(["repair", str(folder), "--salvage", "--dry-run"]) == 0
    assert printed(capsys) == [line.format("would be") for line in would]
    assert main(["repair", str(folder), "--salvage"]) == 0
    assert printed(capsys) == [
        *[line.format("repaired") for line in would],
        "All of them are listed in damaged/STAMP/lost_rows.jsonl",
        f"The files that were replaced are in {folder}/damaged/STAMP",
        "Checked again: every byte is what was written.",
    ]
    assert len(rows_in(folder)) == 79 - 33


def test_repair_as_json(folder, capsys):
    damage(one(folder, "c/*/wal/*.wal"))
    assert main(["repair", str(folder), "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["complete"], len(content["refused"])) == (False, 1)
