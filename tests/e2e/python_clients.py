"""The Python clients behind one face, for tests that run with all of them.

VARIANTS are (class, protocol): the blocking and the asyncio client, REST and
gRPC. `Facade` makes the asyncio client callable from blocking code, on an event
loop of its own thread.
"""
import asyncio
import inspect
import pathlib
import subprocess
import sys
import threading

import harness

sys.path.insert(0, str(harness.ROOT / "clients" / "python" / "src"))

import specserve  # noqa: E402
import specserve.aio  # noqa: E402

VARIANTS = [(kind, protocol) for kind in ("sync", "async")
            for protocol in ("rest", "grpc")]
SCHEMES = {"rest": "http", "grpc": "grpc"}


def address(port, protocol):
    return f"{SCHEMES[protocol]}://127.0.0.1:{port}"


class Loop:
    """An event loop in a thread."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, awaitable):
        return asyncio.run_coroutine_threadsafe(awaitable, self.loop).result(60)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


class Blocking:
    """Calls the coroutines of a client or service and waits for them."""

    def __init__(self, loop, target):
        self._loop, self._target = loop, target

    def __getattr__(self, name):
        value = getattr(self._target, name)
        if not callable(value):
            return Blocking(self._loop, value)

        def call(*args, **kwargs):
            result = value(*args, **kwargs)
            if inspect.isawaitable(result):
                result = self._loop.run(result)
            if isinstance(result, (specserve.aio.AsyncService,
                                   specserve.AsyncStream)):
                return Blocking(self._loop, result)
            return result
        return call

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self._loop.run(self._target.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None


class Facade:
    """open(): a client of the variant; ends with the test."""

    def __init__(self, case, kind):
        self.case, self.kind = case, kind
        self.loop = None
        if kind == "async":
            self.loop = Loop()
            case.addCleanup(self.loop.stop)

    def open(self, **settings):
        if self.kind == "sync":
            client = specserve.Client(**settings)
        else:
            client = Blocking(self.loop, specserve.AsyncClient(**settings))
        self.case.addCleanup(client.close)
        return client

    def service(self, module, name):
        """The class of a service in a generated module."""
        return getattr(module, ("" if self.kind == "sync" else "Async") + name)


class Faulty:
    """tests/e2e/faulty_server.py in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__).with_name("faulty_server.py")],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def script(self, *steps):
        status, _, _ = harness.rest(self.port, "POST", "/_script", list(steps))
        assert status == 200, steps

    def seen(self):
        return harness.rest_json(self.port, "GET", "/_seen")[1]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
