"""Where do the protocol's messages come from?

From pymilvus, which ships them generated. Importing pymilvus itself takes about a second and
pandas; its messages alone take a sixth of that. They are loaded by their folder, under a name of
ours; the real package can be imported in the same process before or afterwards: protobuf keeps one
descriptor for equal files.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from elanus.errors import PluginNotInstalledError

_PARENT = "elanus_server._milvus_protocol"
_GENERATED = "pymilvus.grpc_gen"


def _message_modules(*names: str) -> list[Any]:
    if f"{_GENERATED}.milvus_pb2" in sys.modules:
        return [importlib.import_module(f"{_GENERATED}.{name}") for name in names]
    spec = importlib.util.find_spec("pymilvus")
    if spec is None or not spec.submodule_search_locations:
        raise PluginNotInstalledError(
            "the server takes the messages of its protocol from pymilvus, which is not installed; "
            "pip install elanus-server",
            name="pymilvus",
            extra="elanus-server",
        )
    parent = ModuleType(_PARENT)
    parent.__path__ = [str(Path(place) / "grpc_gen") for place in spec.submodule_search_locations]
    sys.modules[_PARENT] = parent
    return [importlib.import_module(f"{_PARENT}.{name}") for name in names]


common, schema, feder, milvus = _message_modules(
    "common_pb2", "schema_pb2", "feder_pb2", "milvus_pb2"
)
"""Messages of ``common.proto``, ``schema.proto``, ``feder.proto`` and ``milvus.proto``."""

SERVICE = milvus.DESCRIPTOR.services_by_name["MilvusService"]
"""The service: each method with its messages."""
