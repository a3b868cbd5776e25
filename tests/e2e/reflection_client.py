#!/usr/bin/env python3
"""A client that knows nothing but an address lists and calls everything.

    reflection_client.py HOST:PORT [--skip METHOD ...] [--strict]

Through grpc.reflection v1 and v1alpha, each on its own: every service that is
listed has a descriptor, every file has its imports, every method takes a
message built from its descriptor and answers with one, or with a status that
names the fault (empty requests may break rules; --strict: they must not). A
method that the server does not know, or that breaks, is a failure.
"""
import argparse
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2

WAIT_S = 20.0
QUIET_S = 2.0
PACKAGES = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
# What a server may say to an empty request without being broken.
ALLOWED = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT,
           grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED,
           grpc.StatusCode.FAILED_PRECONDITION}


class Reflection:
    """The messages of both packages are equal on the wire."""

    def __init__(self, channel, package):
        self.ask_all = channel.stream_stream(
            f"/{package}.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=(
                reflection_pb2.ServerReflectionResponse.FromString))

    def ask(self, *requests):
        """One call with many questions; as many answers, in order."""
        answers = list(self.ask_all(iter(requests), timeout=WAIT_S))
        assert len(answers) == len(requests), answers
        for request, answer in zip(requests, answers):
            assert answer.original_request == request, answer
        return answers

    def services(self):
        (answer,) = self.ask(request(list_services="*"))
        return [s.name for s in answer.list_services_response.service]

    def files(self, **question):
        (answer,) = self.ask(request(**question))
        assert answer.WhichOneof("message_response") == (
            "file_descriptor_response"), answer
        return [descriptor_pb2.FileDescriptorProto.FromString(b) for b in
                answer.file_descriptor_response.file_descriptor_proto]

    def error(self, **question):
        (answer,) = self.ask(request(**question))
        return answer.error_response.error_code


def request(**question):
    return reflection_pb2.ServerReflectionRequest(host="any", **question)


def add_files(pool, known, files):
    """Adds files to the pool, imports first."""
    waiting = {f.name: f for f in files if f.name not in known}

    def add(name):
        file = waiting.pop(name, None)
        if file is None:
            assert name in known, f"{name} is imported and was not sent"
            return
        for imported in file.dependency:
            add(imported)
        pool.Add(file)
        known.add(name)

    while waiting:
        add(next(iter(waiting)))


def describe(reflection):
    """Every service, by reflection alone."""
    pool, known, services = descriptor_pool.DescriptorPool(), set(), []
    names = reflection.services()
    assert len(set(names)) == len(names) > 0, names
    for name in names:
        files = reflection.files(file_containing_symbol=name)
        add_files(pool, known, files)
        services.append(pool.FindServiceByName(name))
        again = reflection.files(file_by_filename=services[-1].file.name)
        assert again[0].name == services[-1].file.name
    return services


def check_symbols(reflection, services):
    for service in services:
        for method in service.methods:
            (file, *_) = reflection.files(
                file_containing_symbol=method.full_name)
            assert file.name == service.file.name
            for message in (method.input_type, method.output_type):
                (file, *_) = reflection.files(
                    file_containing_symbol=message.full_name)
                assert file.name == message.file.name


def check_errors(reflection):
    assert reflection.error(file_containing_symbol="no.such.Symbol") == 5
    assert reflection.error(file_by_filename="no/such.proto") == 5
    assert reflection.error(all_extension_numbers_of_type="no.Such") == 5
    assert reflection.error(
        file_containing_extension=reflection_pb2.ExtensionRequest(
            containing_type="no.Such", extension_number=1)) == 5
    assert reflection.ask() == []


def stub_of(channel, method):
    kinds = {(False, False): channel.unary_unary,
             (False, True): channel.unary_stream,
             (True, False): channel.stream_unary,
             (True, True): channel.stream_stream}
    return kinds[method.client_streaming, method.server_streaming](
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda m: m.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(
            method.output_type).FromString)


def call(channel, method):
    """The status of an empty request; of a stream until its first answer.

    A server may keep a stream open and have nothing to say for now.
    """
    follows = method.server_streaming and not method.client_streaming
    message = message_factory.GetMessageClass(method.input_type)()
    stub = stub_of(channel, method)
    sent = iter([message]) if method.client_streaming else message
    try:
        answer = stub(sent, timeout=QUIET_S if follows else WAIT_S)
        if method.server_streaming:
            next(answer, None)
            answer.cancel()
    except grpc.RpcError as error:
        if follows and error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            return grpc.StatusCode.OK, ""
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def run_package(channel, package, skip, strict):
    reflection = Reflection(channel, package)
    services = describe(reflection)
    check_symbols(reflection, services)
    check_errors(reflection)
    good, called = True, 0
    for method in (m for s in services for m in s.methods):
        if method.name in skip:
            continue
        code, text = call(channel, method)
        called += 1
        if code not in ({grpc.StatusCode.OK} if strict else ALLOWED):
            print(f"FAIL {method.full_name}: {code.name} {text}")
            good = False
    print(f"{package}: {len(services)} services, {called} methods called")
    return good


def run(address, skip, strict=False):
    with grpc.insecure_channel(address) as channel:
        return all([run_package(channel, package, skip, strict)
                    for package in PACKAGES])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("address")
    parser.add_argument("--skip", nargs="*", default=["Shutdown"])
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    return run(arguments.address, set(arguments.skip), arguments.strict)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
