"""The C client against real servers."""
import json
import signal
import threading
import time
import unittest

import harness
from c_driver import Driver
from client_vectors import (ETHANOL, Live, check_sent, documents,
                            operation, required_fields, start_echo,
                            start_replicas, without_empty)
from python_clients import SCHEMES, Faulty, address
from specserve._messages import fill, take
from specserve._pool import message_class



class Operations(Live):
    """Every operation, over both protocols."""

    def setUp(self):
        self.port = self.registration["port"]

    def variants(self, **settings):
        for protocol in SCHEMES:
            with self.subTest(protocol=protocol):
                yield Driver(self, endpoints=[address(self.port, protocol)],
                             **settings), protocol

    def test_the_runtime_api(self):
        for driver, _ in self.variants():
            self.assertEqual(driver.reply("runtime.health")["status"], "ok")
            found = driver.reply("runtime.capabilities")["capabilities"]
            self.assertEqual(found[0]["name"], "regression")
            ranges = driver.reply("runtime.acceptable_ranges")
            self.assertIn("LogS", ranges["property_ranges"])
            answer = driver.reply("runtime.predict", ETHANOL)
            self.assertTrue(answer["success"])
            self.assertAlmostEqual(answer["results"]["LogS"], 1.0049,
                                   delta=1e-3)
            self.assertEqual(answer["results"]["smiles"], "CCO")
            self.assertEqual(driver.reply("runtime.info")["license"],
                             "Apache-2.0")
            self.assertGreater(
                driver.reply("runtime.metrics")["requests_served"], 0)
            self.assertIn("AqSolDB",
                          driver.reply("runtime.citation")["paper_citation"])
            examples = driver.reply("runtime.test_examples")["examples"]
            self.assertEqual(examples[0]["name"], "Ethanol")
            document = driver.call("runtime.openapi")
            self.assertTrue(document["ok"])
            self.assertIn("openapi", document["answer"]["body"] or "openapi")
            self.assertEqual(driver.error("runtime.shutdown")["code"],
                             "SHUTDOWN_DISABLED")

    def test_a_declined_input_is_an_answer(self):
        for driver, _ in self.variants():
            answer = driver.reply("runtime.predict", {
                "input_type": "text", "data": {"text": "no!"}})
            self.assertFalse(answer["success"])
            self.assertEqual(answer["error_code"], "INVALID_INPUT")

    def test_the_registry_api(self):
        for protocol in SCHEMES:
            driver = Driver(self,
                            registry=address(self.registry.port, protocol))
            self.assertEqual(driver.reply("registry.status", registry=True)
                             ["status"], "ok")
            mine = driver.reply("registry.register", {
                "app_name": "c", "app_version": "1.2.0", "model_name": "other",
                "process_id": driver.process.pid, "reason": "test",
                "metadata": {"a": {"b": [1, None]}}}, registry=True)
            port, proof = mine["assigned_port"], mine["registration_id"]
            self.assertEqual(driver.reply(
                "registry.heartbeat", {"port": port}, registry=True)["port"],
                port)
            (found,) = driver.reply("registry.resolve", {
                "model_name": "other"}, registry=True)["instances"]
            self.assertEqual(found["metadata"], {"a": {"b": [1, None]}})
            listed = driver.reply("registry.list", registry=True)
            self.assertIn(port, [r["port"] for r in listed["registrations"]])
            self.assertEqual(driver.error("registry.unregister", {
                "port": port, "registration_id": "no"}, registry=True)["code"],
                "REGISTRATION_MISMATCH")
            driver.reply("registry.unregister", {
                "port": port, "registration_id": proof}, registry=True)
            self.assertEqual(driver.error("registry.resolve", {
                "model_name": "other"}, registry=True)["code"], "NOT_FOUND")
            self.assertTrue(driver.call("registry.openapi",
                                        registry=True)["ok"])

    def test_watch_ends_when_it_is_cancelled(self):
        for protocol in SCHEMES:
            driver = Driver(self,
                            registry=address(self.registry.port, protocol))
            said = driver.say(do="watch", op="registry.watch", registry=True,
                              request={"model_name": self.name}, count=1)
            (first,) = said["messages"]
            self.assertEqual(first["kind"], "put")
            self.assertEqual(first["registration"]["model_name"], self.name)
            start = time.monotonic()
            said = driver.say(do="watch", op="registry.watch", registry=True,
                              request={"model_name": "nobody"}, count=9,
                              cancel_ms=100)
            self.assertEqual((said["messages"], said["error"]["number"]),
                             ([], 0))
            self.assertLess(time.monotonic() - start, 5 * harness.PATIENCE)
            late = driver.say(do="watch", op="registry.watch", registry=True,
                              request={"model_name": "nobody"}, count=9,
                              options={"timeout_ms": 200})
            self.assertEqual(late["error"]["code"], "TIMEOUT")

    def test_the_formats_of_others(self):
        for driver, _ in self.variants():
            self.assertEqual(driver.reply("health.check")["status"], "SERVING")
            states = driver.say(do="watch", op="health.watch", request={},
                                count=1)["messages"]
            self.assertEqual(states[0]["status"], "SERVING")
            self.assertTrue(driver.reply("oip.server_live")["live"])
            found = driver.reply("oip.model_metadata", {"name": self.name})
            self.assertEqual(found["name"], self.name)
            reply = driver.reply("oip.model_infer", {
                "model_name": self.name, "inputs": [
                    {"name": name, "datatype": "INT64", "shape": [1, 3],
                     "contents": {"int64_contents": [1, 2, 1]}}
                    for name in ("input_ids", "attention_mask")]})
            (output,) = reply["outputs"]
            self.assertEqual((output["name"], output["shape"]), ("y", [1, 3]))

    def test_a_model_is_found_by_its_name(self):
        for protocol in SCHEMES:
            driver = Driver(self, registry=address(self.registry.port, "rest"),
                            grpc=protocol == "grpc")
            self.assertTrue(driver.reply("runtime.predict", ETHANOL,
                                         model=self.name)["success"])
            self.assertEqual(driver.error("runtime.health", model="nosuch")
                             ["code"], "NOT_FOUND")
            self.assertEqual(driver.error("runtime.health")["code"],
                             "ARGUMENT")

    def test_raw_calls_bring_bytes(self):
        for driver, _ in self.variants():
            answer = driver.say(do="raw", verb="GET", target="/metrics",
                                options={"headers": ["Accept: text/plain"]})
            self.assertIn("# HELP", answer["answer"]["body"])
            answer = driver.say(do="raw", verb="GET", target="/nosuch")
            self.assertEqual((answer["ok"], answer["error"]["code"],
                              answer["answer"]["status"]),
                             (False, "NOT_FOUND", 404))

    def test_the_id_of_a_request_comes_back(self):
        for driver, _ in self.variants():
            options = {"request_id": "order-7"}
            answer = driver.call("runtime.health", options=options)
            self.assertEqual(answer["answer"]["request_id"], "order-7")
            error = driver.error("runtime.predict", {
                "input_type": "none", "data": {}}, options=options)
            self.assertEqual(error["request_id"], "order-7")

    def test_a_request_that_is_none_is_not_sent(self):
        for driver, _ in self.variants():
            for op, request in (("runtime.predict", {"data": {"text": "C"}}),
                                ("registry.resolve", {}),
                                ("registry.unregister", {"port": 1})):
                error = driver.error(op, request)
                self.assertEqual((error["code"], error["attempts"]),
                                 ("ARGUMENT", 1))

    def test_wrong_settings_are_told(self):
        for settings in ({}, {"endpoints": ["http://127.0.0.1:1"],
                              "registry": "http://127.0.0.1:1"},
                         {"endpoints": ["127.0.0.1:1"]},
                         {"registry": "http://127.0.0.1"}):
            driver = Driver(self, **settings)
            self.assertEqual(driver.opened["error"]["code"], "ARGUMENT")


class Vectors(unittest.TestCase):
    """gen/vectors, over both protocols."""

    @classmethod
    def setUpClass(cls):
        cls.faulty = Faulty()
        cls.addClassCleanup(cls.faulty.stop)
        cls.echo, cls.port = start_echo(cls)

    def setUp(self):
        self.drivers = {
            "rest": Driver(self, endpoints=[self.faulty.url]),
            "grpc": Driver(self, endpoints=[f"grpc://127.0.0.1:{self.port}"])}

    def cases(self):
        for module, document in documents():
            for case in document["cases"]:
                if "rest" in case:
                    yield module, case

    def test_over_rest(self):
        count = 0
        for _, case in self.cases():
            count += 1
            with self.subTest(case["name"]):
                self.replay_rest(case)
        self.assertGreater(count, 40)

    def replay_rest(self, case):
        self.faulty.script({"do": "answer", **case.get("answer", {})})
        said = self.drivers["rest"].call(
            case["operation"], case["request"],
            options={"attempts": 1, "request_id": "vector-1"})
        error = case.get("error")
        if error:
            self.assertEqual((said["ok"], said["error"]["code"]),
                             (False, error["code"]))
            self.assertEqual(said["error"]["retry"],
                             error.get("retry", said["error"]["retry"]))
        elif "answer" in case:
            self.assertTrue(said["ok"], said)
            body = case["answer"]["body"]
            self.assertEqual(json.loads(said["answer"]["body"]), body)
            self.within(without_empty(said["reply"]), without_empty(body))
        (seen,) = self.faulty.seen()
        check_sent(self, seen, case["rest"])

    def within(self, reply, body):
        """What the struct holds is what came; it may not hold all of it."""
        if isinstance(reply, dict):
            for key, value in reply.items():
                self.within(value, body[key])
        elif isinstance(reply, list):
            self.assertEqual(len(reply), len(body))
            for one, other in zip(reply, body):
                self.within(one, other)
        else:
            self.assertEqual(reply, body)

    def test_over_grpc(self):
        count = 0
        for module, case in self.cases():
            op = operation(module, case["operation"])
            if "answer" not in case or not op.method or op.stream \
                    or "error" in case:
                continue
            count += 1
            with self.subTest(case["name"]):
                self.replay_grpc(op, case)
        self.assertGreater(count, 15)

    def replay_grpc(self, op, case):
        answer = message_class(op.reply._name)()
        known = op.reply.from_json(case["answer"]["body"])
        fill(known, answer)
        self.echo.status, self.echo.seen = None, []
        self.echo.answer = answer.SerializeToString()
        reply = self.drivers["grpc"].reply(
            case["operation"], case["request"],
            options={"attempts": 1, "request_id": "vector-1"})
        wanted = {key: value for key, value in known.to_json().items()
                  if key not in known.extra}
        self.within(without_empty(reply), without_empty(wanted))
        method, request, metadata, left = self.echo.seen[0]
        self.assertEqual(method, case["method"])
        self.assertEqual(metadata["x-request-id"], "vector-1")
        self.assertTrue(metadata["user-agent"].startswith("specserve-c/"))
        self.assertLess(left, 61)
        sent = message_class(op.request._name)()
        sent.ParseFromString(request)
        self.assertEqual(without_empty(take(op.request, sent).to_json()),
                         without_empty(case["request"]))

    def test_every_error_has_its_code(self):
        """Each row of each operation's errors, over both protocols."""
        for protocol, driver in self.drivers.items():
            done = set()
            for module, document in documents():
                for row in document["operations"]:
                    op = operation(module, row["id"])
                    form = op.verb if protocol == "rest" else op.method
                    if op.stream or not form or (
                            protocol == "rest" and module.__name__ in
                            ("specserve.oip", "specserve.health")):
                        continue
                    for error in row["errors"]:
                        if error["code"] in done or error["http"] == 200:
                            continue
                        done.add(error["code"])
                        with self.subTest(error["code"], protocol=protocol):
                            self.replay_error(driver, op, error)
            self.assertGreater(len(done), 20)

    def replay_error(self, driver, op, error):
        self.faulty.script({"do": "answer", "status": error["http"], "body": {
            "success": False, "error": "said so", "error_code": error["code"]}})
        self.echo.status = error["grpc"]
        self.echo.trailers = (("x-error-code", error["code"]),)
        caught = driver.error(op.id, required_fields(op),
                              options={"attempts": 1})
        self.assertEqual((caught["code"], caught["retry"], caught["message"]),
                         (error["code"], error["retry"], "said so"))
        self.assertGreater(caught["number"], 0)


class Failover(unittest.TestCase):
    """Two replicas behind the registry; things die."""

    def test_a_replica_is_killed_under_load(self):
        for protocol in SCHEMES:
            with self.subTest(protocol=protocol):
                program, servers, name = start_replicas(self)
                driver = Driver(self, registry=address(program.port, "rest"),
                                grpc=protocol == "grpc", refresh_ms=500)
                seconds = 1.6
                killer = threading.Timer(seconds / 2, servers[0].kill)
                killer.start()
                said = driver.say(do="load", op="runtime.predict", model=name,
                                  request=ETHANOL, threads=4, seconds=seconds)
                killer.join()
                self.assertEqual((said["failed"], said["error"]["code"]),
                                 (0, ""))
                self.assertGreater(said["count"], 20)
                self.assertEqual(len(said["endpoints"]), 2)
                for one in (*servers, program):
                    one.stop(signal.SIGKILL)

    def test_the_registry_may_be_away(self):
        program, servers, name = start_replicas(self)
        for protocol in SCHEMES:
            with self.subTest(protocol=protocol):
                driver = Driver(self, registry=address(program.port, "rest"),
                                grpc=protocol == "grpc", refresh_ms=50)
                driver.reply("runtime.health", model=name)
                program.process.send_signal(signal.SIGSTOP)
                try:
                    time.sleep(0.1)
                    self.assertEqual(driver.reply(
                        "runtime.health", model=name,
                        options={"timeout_ms": 20000})["status"], "ok")
                finally:
                    program.process.send_signal(signal.SIGCONT)
        program.kill()
        driver = Driver(self, registry=address(program.port, "rest"))
        self.assertEqual(driver.error("runtime.health", model=name)["code"],
                         "UNAVAILABLE")


if __name__ == "__main__":
    unittest.main()
