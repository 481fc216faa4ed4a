"""What the guard does with calls that nothing allows."""

from __future__ import annotations

import pytest

import elanus
from elanus_server.security.accounts import AccountStore
from elanus_server.security.guard import Guard, NotPermittedError
from elanus_server.wire import milvus


def test_a_call_without_a_known_privilege_is_for_administrators():
    with elanus.connect(":memory:") as database:
        guard = Guard(AccountStore(database), is_on=True)
        guard.set_up("root-password")
        request = milvus.DumpMessagesRequest()
        guard.check("root", "DumpMessages", request, "default")
        with pytest.raises(NotPermittedError, match="permission deny to weak"):
            guard.check("weak", "DumpMessages", request, "default")
