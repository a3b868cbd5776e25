"""Every vector of gen/vectors through every Python client: REST against the
server that answers what it is told, gRPC against one in this process."""
import unittest

import python_clients
from client_vectors import (check_sent, documents, operation, required_fields,
                            start_echo, without_empty)
from python_clients import Facade, Faulty
from specserve import errors
from specserve._call import to_grpc
from specserve._messages import fill
from specserve._pool import message_class


def class_of(error):
    return errors.BY_CODE.get(error["code"], errors.ApiError)


class Vectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.echo, cls.port = start_echo(cls)
        cls.faulty = Faulty()
        cls.addClassCleanup(cls.faulty.stop)

    def call(self, service, op, case, **options):
        request = op.request.from_json(case["request"])
        return service.raw(op, request, python_clients.specserve.Options(
            attempts=1, **options))

    def service(self, client):
        """Any service will do: operations carry all there is to know."""
        return client.model()

    def test_requests_and_answers_over_rest(self):
        for kind in ("sync", "async"):
            client = Facade(self, kind).open(endpoints=self.faulty.url)
            service, count = self.service(client), 0
            for module, document in documents():
                for case in document["cases"]:
                    if "rest" not in case or "answer" not in case:
                        continue
                    count += 1
                    with self.subTest(case["name"], kind=kind):
                        self.replay_rest(service, module, case)
            self.assertGreater(count, 40)

    def replay_rest(self, service, module, case):
        op = operation(module, case["operation"])
        self.faulty.script({"do": "answer", **case["answer"]})
        error = case.get("error")
        if error:
            with self.assertRaises(class_of(error)) as raised:
                self.reply(service, op, case)
            self.assertEqual(raised.exception.code, error["code"])
            if "retry" in error:
                self.assertEqual(raised.exception.retry, error["retry"])
        else:
            reply = self.reply(service, op, case)
            self.assertEqual(without_empty(reply.to_json()),
                             without_empty(case["answer"]["body"]))
        (seen,) = self.faulty.seen()
        check_sent(self, seen, case["rest"])

    def reply(self, service, op, case):
        from specserve._call import reply_of
        answer = self.call(service, op, case, request_id="vector-1")
        self.assertEqual(answer.request_id, "vector-1")
        return reply_of(op, answer)

    def test_requests_and_answers_over_grpc(self):
        for kind in ("sync", "async"):
            client = Facade(self, kind).open(
                endpoints=f"grpc://127.0.0.1:{self.port}")
            service, count = self.service(client), 0
            for module, document in documents():
                for case in document["cases"]:
                    op = operation(module, case["operation"])
                    if "answer" not in case or not op.method or op.stream \
                            or "error" in case:
                        continue
                    count += 1
                    with self.subTest(case["name"], kind=kind):
                        self.replay_grpc(service, op, case)
            self.assertGreater(count, 15)

    def replay_grpc(self, service, op, case):
        answer = message_class(op.reply._name)()
        body = case["answer"]["body"]
        known = op.reply.from_json(body)
        fill(known, answer)
        self.echo.status, self.echo.seen = None, []
        self.echo.answer = answer.SerializeToString()
        reply = self.reply(service, op, case)
        # What JSON has and the schema has not, has no number on the wire.
        wanted = {key: value for key, value in known.to_json().items()
                  if key not in known.extra}
        self.assertEqual(without_empty(reply.to_json()), without_empty(wanted))
        method, request, metadata, left = self.echo.seen[0]
        self.assertEqual(method, case["method"])
        self.assertEqual(metadata["x-request-id"], "vector-1")
        self.assertLess(left, 61)
        sent = op.request.from_json(case["request"])
        self.assertEqual(request, to_grpc(op, sent).body)

    def test_every_error_has_its_type(self):
        """Each row of each operation's errors, over both protocols."""
        for kind, protocol in python_clients.VARIANTS:
            url = self.faulty.url if protocol == "rest" \
                else f"grpc://127.0.0.1:{self.port}"
            client = Facade(self, kind).open(endpoints=url)
            service = self.service(client)
            done = set()
            for module, document in documents():
                for row in document["operations"]:
                    op = operation(module, row["id"])
                    if op.stream or not (op.verb if protocol == "rest"
                                         else op.method):
                        continue
                    for error in row["errors"]:
                        if error["code"] in done or error["http"] == 200:
                            continue
                        done.add(error["code"])
                        with self.subTest(error["code"], kind=kind,
                                          protocol=protocol):
                            self.replay_error(service, op, error)
            self.assertGreater(len(done), 20)

    def replay_error(self, service, op, error):
        self.faulty.script({"do": "answer", "status": error["http"], "body": {
            "success": False, "error": "said so", "error_code": error["code"]}})
        self.echo.status = error["grpc"]
        self.echo.trailers = (("x-error-code", error["code"]),)
        with self.assertRaises(errors.BY_CODE[error["code"]]) as raised:
            self.call(service, op, {"request": required_fields(op)})
        caught = raised.exception
        self.assertEqual((caught.code, caught.http, caught.grpc, caught.retry,
                          caught.message),
                         (error["code"], error["http"], error["grpc"],
                          error["retry"], "said so"))


if __name__ == "__main__":
    unittest.main()
