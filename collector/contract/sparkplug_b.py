# SPDX-License-Identifier: Apache-2.0
"""The payload of Sparkplug B: its protobuf message, described here in Python instead of generated code.

Fields and numbers are those of the Sparkplug 3.0 specification, chapter 6. Parts that nobody here reads (metadata,
properties, data sets, templates, extensions) are kept as bytes.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "cybersyn.sparkplug_b"
_METRIC: Final = (
    ("name", 1, "STRING"), ("alias", 2, "UINT64"), ("timestamp", 3, "UINT64"), ("datatype", 4, "UINT32"),
    ("is_historical", 5, "BOOL"), ("is_transient", 6, "BOOL"), ("is_null", 7, "BOOL"), ("metadata", 8, "BYTES"),
    ("properties", 9, "BYTES"),
)  # fmt: skip
_VALUE: Final = (
    ("int_value", 10, "UINT32"), ("long_value", 11, "UINT64"), ("float_value", 12, "FLOAT"),
    ("double_value", 13, "DOUBLE"), ("boolean_value", 14, "BOOL"), ("string_value", 15, "STRING"),
    ("bytes_value", 16, "BYTES"), ("dataset_value", 17, "BYTES"), ("template_value", 18, "BYTES"),
    ("extension_value", 19, "BYTES"),
)  # fmt: skip
_PAYLOAD: Final = (("timestamp", 1, "UINT64"), ("seq", 3, "UINT64"), ("uuid", 4, "STRING"), ("body", 5, "BYTES"))


@cache
def payload_class() -> Any:
    """Return the protobuf class of a payload; its `metrics` are messages with one `value` each."""
    file = FileDescriptorProto(name="cybersyn/sparkplug_b.proto", package=_PACKAGE, syntax="proto2")
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    for row in _METRIC:
        _add(metric, *row)
    for row in _VALUE:
        _add(metric, *row).oneof_index = 0
    for row in _PAYLOAD:
        _add(payload, *row)
    metrics = _add(payload, "metrics", 2, "MESSAGE")
    metrics.label, metrics.type_name = FieldDescriptorProto.LABEL_REPEATED, f".{_PACKAGE}.Payload.Metric"
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


def _add(message: DescriptorProto, name: str, number: int, kind: str) -> FieldDescriptorProto:
    return message.field.add(
        name=name,
        number=number,
        type=FieldDescriptorProto.Type.Value(f"TYPE_{kind}"),
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )


_SET: Final = "PropertySet"
_PROPERTY: Final = (("type", 1, "UINT32"), ("is_null", 2, "BOOL"), ("string_value", 8, "STRING"))


@cache
def properties_class() -> Any:
    """Return the protobuf class of a metric's properties; of their values it reads texts alone."""
    file = FileDescriptorProto(name="cybersyn/sparkplug_b_properties.proto", package=_PACKAGE, syntax="proto2")
    properties = file.message_type.add(name=_SET)
    value = properties.nested_type.add(name="Value")
    for row in _PROPERTY:
        _add(value, *row)
    _add(properties, "keys", 1, "STRING").label = FieldDescriptorProto.LABEL_REPEATED
    values = _add(properties, "values", 2, "MESSAGE")
    values.label, values.type_name = FieldDescriptorProto.LABEL_REPEATED, f".{_PACKAGE}.{_SET}.Value"
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{_SET}"))
