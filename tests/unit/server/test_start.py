"""What keeps a server from starting, and what it advises."""

import re

import pytest

from elanus.errors import InvalidArgumentError
from elanus_server import serve_local


def refused(**settings: object) -> str:
    with pytest.raises(InvalidArgumentError) as error, serve_local(":memory:", **settings):
        pass
    return re.sub(r"\[Errno -?\d+\] [^;]*", "REASON", str(error.value))


def test_address_of_another_machine_is_no_matter_of_the_port() -> None:
    # 192.0.2.0/24 is for documentation: no machine has it.
    assert refused(host="192.0.2.1", metrics_port=None) == (
        "cannot listen on 192.0.2.1:0: REASON; choose an address of this machine with --host"
    )


def test_import_folder_has_to_be_there() -> None:
    assert refused(import_folder="./none", metrics_port=None) == (
        "import_folder: there is no folder ./none; make it, or name another one"
    )
