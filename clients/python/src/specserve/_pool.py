"""Protobuf messages from a descriptor pool of our own.

The default pool is shared by everything in the process; two packages that ship
the same public .proto file break each other there. Ours knows only the files
that specgen compiled into `_descriptors.py`, and needs no generated code that
would have to match the installed protobuf.
"""
from __future__ import annotations

import threading
from typing import Any, Optional

_lock = threading.Lock()
_pool: Optional[Any] = None
_classes: dict[str, Any] = {}

try:
    from google.protobuf import descriptor_pb2, descriptor_pool
    from google.protobuf import message_factory
    from google.protobuf.message import DecodeError as DecodeError
except ImportError as missing:
    raise ImportError("gRPC needs: pip install 'specserve[grpc]'") from missing


def _load() -> Any:
    from base64 import b64decode
    from ._descriptors import FILES

    pool = descriptor_pool.DescriptorPool()
    for text in FILES:
        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(
            b64decode(text)))
    return pool


def message_class(name: str) -> Any:
    """The protobuf class of this full name."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = _load()
        if name not in _classes:
            _classes[name] = message_factory.GetMessageClass(
                _pool.FindMessageTypeByName(name))
        return _classes[name]
