"""Network file systems are told by the table of mounts."""

import pytest

from elanus.storage.medium import network_file_system

TABLE = r"""
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 21 0:35 / /mnt/share rw - nfs4 server:/export rw,vers=4.2
41 40 0:36 / /mnt/share/local rw shared:3 - ext4 /dev/vdb rw
42 21 0:37 / /mnt/with\040space rw - fuse.sshfs host:/ rw
43 21 0:38 / /mnt/covered rw - cifs //host/share rw
44 43 0:39 / /mnt/covered rw - ext4 /dev/vdc rw
a broken line
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/", None),
        ("/home/kb", None),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/kb/new", "nfs4"),
        ("/mnt/shared", None),
        ("/mnt/share/local/kb", None),
        ("/mnt/with space/kb", "fuse.sshfs"),
        ("/mnt/covered/kb", None),
    ],
)
def test_the_innermost_mount_counts(tmp_path, folder, expected):
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    assert network_file_system(folder, table) == expected


def test_no_table_is_no_network(tmp_path):
    assert network_file_system("/mnt/share", tmp_path / "absent") is None
