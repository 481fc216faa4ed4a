"""A part of Milvus' protocol as descriptors, for clients of other languages.

No package has the ``.proto`` files; the messages that pymilvus has were made of them. A client that
makes a dozen of the calls needs a tenth of the messages, which compile in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor
from pymilvus.grpc_gen import milvus_pb2

_SERVICE = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"]
Type = Descriptor | EnumDescriptor


def subset(calls: Iterable[str], messages: Iterable[Descriptor] = ()) -> bytes:
    """Return the messages of some calls, and others, as a serialized ``FileDescriptorSet``.

    All are of the package ``milvus`` in Go and in Java; there are no services, since a call is a
    path and two messages.
    """
    needed: dict[str, Type] = {}
    for name in calls:
        method = _SERVICE.methods_by_name[name]
        _add(method.input_type, needed)
        _add(method.output_type, needed)
    for message in messages:
        _add(message, needed)
    made = descriptor_pb2.FileDescriptorSet()
    _add_file(milvus_pb2.DESCRIPTOR, needed, made)
    return made.SerializeToString()


def files(descriptors: bytes) -> list[str]:
    """Return the names of its files."""
    return [one.name for one in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file]


def _add(found: Type, needed: dict[str, Type]) -> None:
    outermost = found
    while outermost.containing_type is not None:
        outermost = outermost.containing_type
    if outermost.full_name not in needed:
        needed[outermost.full_name] = outermost
        if isinstance(outermost, Descriptor):
            _add_fields(outermost, needed)


def _add_fields(message: Descriptor, needed: dict[str, Type]) -> None:
    for field in message.fields:
        for found in (field.message_type, field.enum_type):
            if found is not None:
                _add(found, needed)
    for nested in message.nested_types:
        _add_fields(nested, needed)


def _add_file(
    file: FileDescriptor, needed: dict[str, Type], made: descriptor_pb2.FileDescriptorSet
) -> bool:
    """Add what is needed of a file, behind what it needs itself; return whether there is any."""
    if file.name in [one.name for one in made.file]:
        return True
    used = [one for one in file.dependencies if _add_file(one, needed, made)]
    whole = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(whole)
    part = descriptor_pb2.FileDescriptorProto(
        name=file.name, package=file.package, syntax="proto3", dependency=[f.name for f in used]
    )
    for message in whole.message_type:
        if f"{file.package}.{message.name}" in needed:
            _simplify(message)
            part.message_type.append(message)
    for enum in whole.enum_type:
        if f"{file.package}.{enum.name}" in needed:
            part.enum_type.append(enum)
    part.options.go_package = "elanus/milvus;milvus"
    part.options.java_package = "milvus"
    part.options.java_multiple_files = True
    part.options.java_outer_classname = f"{file.name.partition('.')[0].title()}File"
    if not part.message_type and not part.enum_type:
        return False
    made.file.append(part)
    return True


def _simplify(message: descriptor_pb2.DescriptorProto) -> None:
    """Take away what older compilers do not know: on the wire it is all the same."""
    if not message.options.map_entry:
        message.ClearField("options")
    for field in message.field:
        field.ClearField("options")
        if field.proto3_optional:
            field.ClearField("proto3_optional")
            field.ClearField("oneof_index")
    # Those that only stand for an optional field come last.
    used = {field.oneof_index for field in message.field if field.HasField("oneof_index")}
    del message.oneof_decl[len(used) :]
    for nested in message.nested_type:
        _simplify(nested)
