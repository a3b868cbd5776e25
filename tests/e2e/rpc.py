"""A gRPC client that knows nothing but the server's reflection.

It also maps messages to the JSON of the contract (`to_json`, `from_json`), so
that one case can be sent through both doors and the answers compared:
  - a message Value is the bare value of its oneof
  - a field `x_json` is the JSON value `x`
  - absent lists and maps are empty ones
"""
import base64
import json

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


class Client:
    def __init__(self, port):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def close(self):
        self.channel.close()

    def services(self):
        return sorted(self.database.get_services())

    def methods(self, service):
        return self.pool.FindServiceByName(service).methods_by_name

    def call(self, service, method, request=None, timeout=30, metadata=None):
        """Sends JSON, returns (status code, JSON or None, trailers, text)."""
        found = self.methods(service)[method]
        message = message_factory.GetMessageClass(found.input_type)()
        from_json(message, request or {})
        stub = self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(
                found.output_type).FromString)
        try:
            answer, call = stub.with_call(message, timeout=timeout,
                                          metadata=metadata)
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata() or ())
            return error.code(), None, trailers, error.details()
        return (grpc.StatusCode.OK, to_json(answer),
                dict(call.trailing_metadata() or ()), "")


def is_map(field):
    return (field.type == FieldDescriptor.TYPE_MESSAGE
            and field.message_type.GetOptions().map_entry)


def value_to_json(message):
    kind = message.WhichOneof(message.DESCRIPTOR.oneofs[0].name)
    value = getattr(message, kind)
    field = message.DESCRIPTOR.fields_by_name[kind]
    if field.type == FieldDescriptor.TYPE_MESSAGE:  # a wrapped list
        inner = value.DESCRIPTOR.fields[0]
        return [value_to_json(item) if inner.message_type else item
                for item in getattr(value, inner.name)]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    if kind.endswith("json"):
        return json.loads(value)
    return value


def one_to_json(field, value):
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return to_json(value)
    if field.type == FieldDescriptor.TYPE_ENUM:
        name = field.enum_type.values_by_number[value].name
        prefix = "".join("_" + c if c.isupper() else c.upper()
                         for c in field.enum_type.name).strip("_")
        return name.removeprefix(prefix + "_").lower()
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    return value


def to_json(message):
    if is_union(message):
        return value_to_json(message)
    result = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if is_map(field):
            inner = field.message_type.fields_by_name["value"]
            result[field.name] = {k: one_to_json(inner, v)
                                  for k, v in value.items()}
        elif field.is_repeated:
            result[field.name] = [one_to_json(field, v) for v in value]
        elif not field.has_presence or message.HasField(field.name):
            if field.name.endswith("_json"):
                result[field.name[:-5]] = json.loads(value)
            else:
                result[field.name] = one_to_json(field, value)
    return result


def is_union(message):
    """One value of several types, without a tag in JSON."""
    oneofs = message.DESCRIPTOR.oneofs
    return len(oneofs) == 1 and oneofs[0].name == "kind"


def union_from_json(message, value):
    def put(name, items):
        inner = getattr(message, name)
        field = inner.DESCRIPTOR.fields[0]
        inner.SetInParent()
        for item in items:
            if field.message_type:
                from_json(getattr(inner, field.name).add(), item)
            else:
                getattr(inner, field.name).append(item)

    def has(*names):
        return next((n for n in names if n in message.DESCRIPTOR.fields_by_name),
                    None)

    def every(*types):
        return isinstance(value, list) and value and all(
            isinstance(v, types) and not isinstance(v, bool) for v in value)

    if isinstance(value, bool):
        message.flag = value
    elif isinstance(value, (int, float)):
        message.number = value
    elif isinstance(value, str):
        message.text = value
    elif isinstance(value, bytes):
        message.blob = value
    elif every(int, float) and has("floats", "ids"):
        put(has("floats", "ids"), value)
    elif every(str) and has("strings", "texts"):
        put(has("strings", "texts"), value)
    elif every(list) and has("rows"):
        put("rows", value)
    elif isinstance(value, dict) and has("object"):
        from_json(message.object, value)
    elif value == [] and has("texts"):
        put("texts", value)
    else:
        setattr(message, has("json", "json_json"), json.dumps(value))


def from_json(message, value):
    if is_union(message):
        union_from_json(message, value)
        return
    message.SetInParent()
    for key, item in value.items():
        if item is None:
            continue
        field = message.DESCRIPTOR.fields_by_name.get(key)
        if field is None:
            setattr(message, key + "_json", json.dumps(item))
        elif is_map(field):
            for name, inner in item.items():
                target = getattr(message, key)
                if field.message_type.fields_by_name["value"].message_type:
                    from_json(target[name], inner)
                else:
                    target[name] = inner
        elif field.is_repeated:
            for inner in item:
                if field.message_type:
                    from_json(getattr(message, key).add(), inner)
                else:
                    getattr(message, key).append(inner)
        elif field.message_type:
            from_json(getattr(message, key), item)
        else:
            setattr(message, key, item)
