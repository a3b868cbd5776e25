"""The Runtime API 1.2 as a client sees it: one test for each requirement.

The names begin with the row of docs/compliance.md that they prove. Order of
start and stop is in test_lifecycle.py, load in test_load.py.
"""
import concurrent.futures
import json
import re
import unittest

import grpc
import jsonschema

import bundles
import harness
import rpc

SERVICE = "specserve.runtime.v1.ModelRuntime"
GETS = ("/health", "/capabilities", "/acceptable_ranges", "/info", "/metrics",
        "/citation", "/test_examples")
OPENAPI = json.loads((harness.ROOT / "gen/openapi/runtime.json").read_text())
SYMBOLS = set(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni "
    "Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I "
    "Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt "
    "Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr "
    "Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og".split())
JSON = {"Content-Type": "application/json"}


def question(text="CCO", input_type="text"):
    return {"input_type": input_type, "data": {"text": text}}


def check_schema(verb, path, status, answer):
    """The answer is what the OpenAPI document says of this status."""
    responses = OPENAPI["paths"][path][verb.lower()]["responses"]
    schema = responses[str(status)]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(
        {**schema, "components": OPENAPI["components"]}).validate(answer)


class RuntimeApi(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server("--shutdown", "disabled")
        cls.grpc = rpc.Client(cls.server.port)

    @classmethod
    def tearDownClass(cls):
        cls.grpc.close()
        code = cls.server.stop()
        assert code == 0, f"exit code {code}\n{cls.server.logged()}"

    def get(self, path):
        status, answer = harness.rest_json(self.server.port, "GET", path)
        self.assertEqual(status, 200, answer)
        return answer

    def post(self, body, headers=None):
        """(status, answer) of POST /predict; a string goes as it is."""
        body = body.encode() if isinstance(body, str) else body
        return harness.rest_json(self.server.port, "POST", "/predict", body,
                                 headers)

    def strings(self, value, *names):
        for name in names:
            self.assertIsInstance(value[name], str, name)
            self.assertTrue(value[name], name)

    # ---- general ----

    def test_g1_every_required_endpoint_answers(self):
        for path in GETS:
            self.get(path)
        self.assertEqual(self.post(question())[0], 200)

    def test_g2_every_answer_matches_its_schema(self):
        for path in GETS:
            check_schema("GET", path, 200, self.get(path))
        for status, body, headers in (
                (200, question(), None), (200, question("hello world"), None),
                (400, question(input_type="image"), None), (400, "{", JSON),
                (415, "x", {"Content-Type": "text/plain"}),
                (413, "x" * 70000, JSON)):
            got, answer = self.post(body, headers)
            self.assertEqual(got, status, answer)
            check_schema("POST", "/predict", got, answer)
        status, answer = harness.rest_json(self.server.port, "POST",
                                           "/shutdown", {})
        self.assertEqual(status, 403)
        check_schema("POST", "/shutdown", status, answer)

    def test_g3_content_type_is_json_in_utf8_or_absent(self):
        text = json.dumps(question())
        for value, status in (
                (None, 200), ("application/json", 200),
                ("Application/JSON; charset=utf-8", 200),
                ('application/json;charset="UTF-8"', 200),
                ("text/plain", 415), ("application/json; charset=latin1", 415),
                ("application/x-www-form-urlencoded", 415)):
            with self.subTest(value):
                got, answer = self.post(text, {"Content-Type": value} if value
                                        else None)
                self.assertEqual(got, status, answer)
                if status == 415:
                    self.assertEqual(answer["error_code"],
                                     "UNSUPPORTED_MEDIA_TYPE")
                    self.assertEqual(answer["error"], answer["error_message"])

    def test_g4_g5_failures_have_a_status_and_the_json_error_body(self):
        port = self.server.port
        for verb, path, body, status, code in (
                ("GET", "/nothing", None, 404, "NOT_FOUND"),
                ("GET", "/predict", None, 405, "METHOD_NOT_ALLOWED"),
                ("DELETE", "/health", None, 405, "METHOD_NOT_ALLOWED"),
                ("POST", "/predict", b"{", 400, "MALFORMED_JSON"),
                ("POST", "/predict", b"[]", 400, "VALIDATION_ERROR"),
                ("POST", "/predict", b"{}", 400, "VALIDATION_ERROR"),
                ("POST", "/predict", b"x" * 70000, 413, "PAYLOAD_TOO_LARGE"),
                ("POST", "/shutdown", b"{}", 403, "SHUTDOWN_DISABLED")):
            with self.subTest(f"{verb} {path} {status}"):
                got, headers, text = harness.rest(port, verb, path, body)
                self.assertEqual(got, status, text)
                self.assertEqual(headers["Content-Type"], "application/json")
                answer = json.loads(text)
                self.assertIs(answer["success"], False)
                self.assertTrue(answer["error"])
                self.assertEqual(answer["error_code"], code)

    def test_g6_version_is_1_2_0(self):
        self.assertEqual(self.get("/health")["version"], "1.2.0")
        self.assertEqual(self.get("/acceptable_ranges")["version"], "1.2.0")
        self.assertEqual(OPENAPI["info"]["version"], "1.2.0")

    def test_g7_parallel_predictions_do_not_mix(self):
        """64 at once, over both doors, each with its own molecule."""
        texts = ["C" * n for n in range(1, 65)]
        alone = [self.post(question(text))[1]["results"] for text in texts]

        def over_rest(text):
            status, answer = self.post(question(text))
            return answer["results"] if status == 200 else answer

        def over_grpc(text):
            _, answer, _, problem = self.grpc.call(SERVICE, "Predict",
                                                   question(text))
            return answer["results"] if answer else problem

        self.assertEqual(len({r["LogS"] for r in alone}), 64)
        for ask in (over_rest, over_grpc):
            with concurrent.futures.ThreadPoolExecutor(64) as pool:
                together = list(pool.map(ask, texts))
            for text, got, want in zip(texts, together, alone):
                self.assertEqual(got["smiles"], text)
                for key in ("LogS", "LogS_low", "LogS_high"):
                    self.assertAlmostEqual(got[key], want[key], 4)

    def test_get_endpoints_take_head(self):
        for path in (*GETS, "/openapi.json"):
            status, headers, body = harness.rest(self.server.port, "HEAD", path)
            self.assertEqual((status, body), (200, b""), path)
            self.assertEqual(headers["Content-Type"], "application/json")
            self.assertGreater(int(headers["Content-Length"]), 2)

    def test_wrong_method_is_405_and_says_what_is_allowed(self):
        for path, allowed in [("/predict", {"POST"})] + [
                (path, {"GET", "HEAD"}) for path in GETS]:
            status, headers, _ = harness.rest(self.server.port, "PUT", path,
                                              b"{}", JSON)
            self.assertEqual(status, 405, path)
            self.assertEqual(set(headers["Allow"].split(", ")), allowed)

    def test_duplicate_keys_are_refused(self):
        status, answer = self.post(
            '{"input_type":"text","input_type":"text","data":{"text":"C"}}')
        self.assertEqual(status, 400)
        self.assertEqual(answer["error_code"], "MALFORMED_JSON")
        self.assertIn("duplicate key", answer["error"])

    def test_openapi_is_the_generated_document(self):
        self.assertEqual(self.get("/openapi.json"), OPENAPI)

    def test_openapi_has_every_route(self):
        """Those of the tables that the door walks."""
        routes = set()
        for table in ("runtime", "text", "oip"):
            text = (harness.ROOT / f"gen/c/{table}_routes.c").read_text()
            routes |= set(re.findall(
                r'\.verb = "(\w+)",\s+\.path = "([^"]+)"', text))
        self.assertGreater(len(routes), 25)
        self.assertEqual(routes, {(verb.upper(), path)
                                  for path, item in OPENAPI["paths"].items()
                                  for verb in item})

    # ---- /health, /capabilities, /acceptable_ranges ----

    def test_h1_health_says_ok_model_and_version(self):
        answer = self.get("/health")
        self.assertEqual(answer["status"], "ok")
        self.strings(answer, "model", "version")

    def test_one_name_everywhere(self):
        names = {self.get("/health")["model"], self.get("/capabilities")["model"],
                 self.get("/acceptable_ranges")["model"], self.get("/info")["name"],
                 self.post(question())[1]["model_name"]}
        self.assertEqual(names, {"Solubility"})

    def test_k1_k2_capabilities_are_described(self):
        answer = self.get("/capabilities")
        self.strings(answer, "model")
        self.assertTrue(answer["capabilities"])
        for capability in answer["capabilities"]:
            self.strings(capability, "name", "description")
            self.assertTrue(capability["input_types"])
            self.assertTrue(capability["output_schema"])

    def test_k3_elements_are_of_the_periodic_table(self):
        elements = self.get("/capabilities")["elements"]
        self.assertTrue(elements)
        self.assertLessEqual(set(elements), SYMBOLS)

    def test_k4_types_are_of_the_vocabulary(self):
        for capability in self.get("/capabilities")["capabilities"]:
            self.assertLessEqual(set(capability["input_types"]),
                                 {"text", "image", "audio", "tabular"})
            self.assertLessEqual(
                set(capability["output_schema"].values()),
                {"float", "string", "object", "array<float>", "array<string>"})

    def test_a1_a4_ranges_name_scope_and_recommendations(self):
        answer = self.get("/acceptable_ranges")
        self.strings(answer, "model", "version", "description")
        scope = answer["chemical_scope"]
        for texts in (scope["supported_features"], scope["limitations"],
                      answer["usage_recommendations"]):
            self.assertTrue(texts)
            self.assertTrue(all(isinstance(text, str) for text in texts))

    def test_a2_a3_ranges_of_a_property_are_in_order(self):
        ranges = self.get("/acceptable_ranges")["property_ranges"]
        self.assertIn("LogS", ranges)
        for name, row in ranges.items():
            with self.subTest(name):
                self.strings(row, "property_name", "unit")
                trained, reliable = row["training_range"], row["reliable_range"]
                self.assertLessEqual(trained["min"], trained["mean"])
                self.assertLessEqual(trained["mean"], trained["max"])
                self.assertLess(reliable["min"], reliable["max"])
                self.strings(reliable, "note")
                self.assertIs(type(row["training_samples"]), int)
                self.assertIsInstance(row["validation_metrics"], dict)

    # ---- /predict ----

    def test_p1_input_type_must_be_a_capability(self):
        types = {t for c in self.get("/capabilities")["capabilities"]
                 for t in c["input_types"]}
        for input_type in ("text", "image", "audio", "tabular", "smell", ""):
            status, answer = self.post(question(input_type=input_type))
            self.assertEqual(status == 200, input_type in types, answer)
        self.assertEqual(self.post(question(input_type="smell"))[1]["error_code"],
                         "UNSUPPORTED_INPUT_TYPE")

    def test_p2_p3_answers_have_the_same_keys_on_every_outcome(self):
        for status, body in ((200, question()), (200, question("hello world")),
                             (200, question("C" * 3000)), (400, {}),
                             (400, question(input_type="image"))):
            got, answer = self.post(body)
            self.assertEqual(got, status, answer)
            self.assertIs(type(answer["success"]), bool)
            self.strings(answer, "model_name")
            self.assertIsInstance(answer["results"], dict)
            self.assertGreaterEqual(answer["computation_time_ms"], 0)
            if answer["success"]:
                self.assertIsNone(answer["error_message"])
                self.assertTrue(answer["results"])
            else:
                self.strings(answer, "error_message", "error_code")
                self.assertEqual(answer["error"], answer["error_message"])
                self.assertEqual(answer["results"], {})

    def test_undeclared_keys_are_ignored_and_listed(self):
        body = question()
        body["data"]["colour"] = "blue"
        status, answer = self.post(body)
        self.assertEqual((status, answer["success"]), (200, True))
        self.assertIn("colour", " ".join(answer["warnings"]))

    def test_strict_bundles_refuse_undeclared_keys(self):
        bundle = bundles.edited(self.folder.name, modelservice=[
            ("strict: false", "strict: true")])
        server = self.start(harness.Server, bundle=bundle)
        body = question()
        body["data"]["colour"] = "blue"
        status, answer = harness.rest_json(server.port, "POST", "/predict", body)
        self.assertEqual((status, answer["error_code"]), (400, "VALIDATION_ERROR"))
        self.assertIn("colour", answer["error"])

    def test_a_batch_gives_arrays(self):
        status, answer = self.post(question(["CCO", "CCC"]))
        self.assertEqual((status, answer["success"]), (200, True), answer)
        self.assertEqual(answer["results"]["smiles"], ["CCO", "CCC"])
        self.assertEqual(len(answer["results"]["LogS"]), 2)

    def test_input_outside_the_trained_ranges_is_marked(self):
        _, inside = self.post(question("CCO"))
        _, outside = self.post(question("C" * 300))
        self.assertEqual(inside["results"]["LogS_range"], "trained")
        self.assertNotEqual(outside["results"]["LogS_range"], "trained")
        self.assertTrue(outside["warnings"])

    # ---- /info, /citation, /test_examples ----

    def test_i1_info_has_its_five_texts(self):
        answer = self.get("/info")
        self.strings(answer, "name", "description", "license", "citation",
                     "maintainer")
        self.assertRegex(answer["citation"], r"^(https?://|10\.)")

    def test_c1_c2_citation_is_of_model_and_software(self):
        answer = self.get("/citation")
        self.strings(answer, "paper_citation", "software_bibtex")
        bibtex = answer["software_bibtex"]
        self.assertRegex(bibtex, r"^\s*@\w+\{[\w:.-]+,")
        depth = 0
        for character in bibtex:
            depth += {"{": 1, "}": -1}.get(character, 0)
            self.assertGreaterEqual(depth, 0)
        self.assertEqual(depth, 0)
        self.assertIn("AqSolDB", answer["paper_citation"])
        self.assertIn("specserve", bibtex)

    def test_t1_t2_examples_say_how_to_call(self):
        answer = self.get("/test_examples")
        (field,) = answer["usage_instructions"]["body_format"]["data"]
        self.assertTrue(answer["examples"])
        for example in answer["examples"]:
            self.strings(example, "name", field, "description", "category")
        usage = answer["usage_instructions"]
        self.assertEqual((usage["endpoint"], usage["method"]),
                         ("/predict", "POST"))
        self.assertIn("results", answer["expected_output"])
        self.assertTrue(answer["notes"])
        self.assertTrue(all(isinstance(note, str) for note in answer["notes"]))

    # ---- /shutdown ----

    def test_x1_shutdown_is_refused_where_it_is_disabled(self):
        status, answer = harness.rest_json(self.server.port, "POST",
                                           "/shutdown", {})
        self.assertEqual((status, answer["error_code"]),
                         (403, "SHUTDOWN_DISABLED"))
        code, _, trailers, _ = self.grpc.call(SERVICE, "Shutdown", {})
        self.assertEqual(code, grpc.StatusCode.PERMISSION_DENIED)
        self.assertEqual(trailers["x-error-code"], "SHUTDOWN_DISABLED")
        self.assertEqual(self.get("/health")["status"], "ok")


class OtherBundles(harness.Case):
    """What the shipped bundle does not show."""

    def test_keys_are_there_when_the_bundle_says_nothing(self):
        """No ranges, no elements, no notes: still every endpoint and key."""
        server = self.start(harness.Server,
                            bundle=bundles.steered(self.folder.name))
        answers = {}
        for path in GETS:
            status, answers[path] = harness.rest_json(server.port, "GET", path)
            self.assertEqual(status, 200, path)
            check_schema("GET", path, status, answers[path])
        self.assertEqual(answers["/capabilities"]["elements"], [])
        ranges = answers["/acceptable_ranges"]
        self.assertEqual(ranges["property_ranges"], {})
        self.assertEqual(ranges["usage_recommendations"], [])
        self.assertEqual(ranges["chemical_scope"],
                         {"supported_features": [], "limitations": []})
        self.assertEqual(answers["/test_examples"]["notes"], [])

    def test_numbers_may_be_texts_for_old_clients(self):
        bundle = bundles.numbers_as_text(bundles.steered(self.folder.name))
        server = self.start(harness.Server, bundle=bundle)
        _, answer = harness.rest_json(
            server.port, "POST", "/predict",
            {"input_type": "tabular", "data": {"x": [4]}})
        self.assertEqual(answer["results"], {"y": "3.0"})


class Startup(harness.Case):
    BANNER = """\
================================================================================
Steered API - A model for tests
================================================================================

CITATION:
  None.

API SPECIFICATION:
  Using the Lightweight AI Model API Runtime Specification 1.2 from:
  © 2025 Paramus Transform LLC
  2020 N ACADEMY BLVD, STE 261 #3770
  COLORADO SPRINGS, CO 80909, U.S.

NOTICE: Registration is required to use this service.
ACKNOWLEDGED================================================================================

REGISTRATION_SUCCESS: Steered_API registered on port PORT
Starting Steered_API server on port PORT
"""
    ASK = ("        It is not acknowledged for this model yet; see "
           "docs/registration.md.\n")

    def printed(self, bundle):
        registry = self.start(harness.Registry)
        server = self.start(harness.Server, bundle=bundle,
                            registry=f"http://127.0.0.1:{registry.port}")
        return server.printed().replace(str(server.port), "PORT")

    def test_u9_u11_start_up_text_is_exactly_this(self):
        printed = self.printed(bundles.steered(self.folder.name))
        self.assertEqual(printed, self.BANNER.replace("ACKNOWLEDGED", self.ASK))

    def test_u12_acknowledged_registration_is_not_asked_for(self):
        bundle = bundles.steered(self.folder.name)
        file = bundle / "steered.modelservice.yaml"
        file.write_text(file.read_text().replace(
            'api: {specification: "1.2"}',
            'api: {specification: "1.2", registration: {acknowledged: true}}'))
        self.assertEqual(self.printed(bundle),
                         self.BANNER.replace("ACKNOWLEDGED", ""))


class Metrics(harness.Case):
    """On a server that nobody else asks."""

    def setUp(self):
        super().setUp()
        self.server = self.start(harness.Server)

    def metrics(self):
        status, answer = harness.rest_json(self.server.port, "GET", "/metrics")
        self.assertEqual(status, 200)
        return answer

    def predict(self, body):
        return harness.rest_json(self.server.port, "POST", "/predict", body)[0]

    def test_m1_counters_start_at_nothing_and_only_rise(self):
        first = self.metrics()
        self.assertEqual((first["requests_served"], first["avg_latency_ms"],
                          first["last_error"]), (0, 0.0, None))
        for count in range(1, 4):
            before = self.metrics()
            self.assertEqual(self.predict(question()), 200)
            after = self.metrics()
            self.assertEqual(after["requests_served"], count)
            self.assertGreaterEqual(after["uptime_s"], before["uptime_s"])
            self.assertGreater(after["avg_latency_ms"], 0)

    def test_m1_only_predictions_that_were_decided_count(self):
        for body, status in ((question("hello world"), 200), ({}, 400),
                             (question(input_type="image"), 400)):
            self.assertEqual(self.predict(body), status)
        answer = self.metrics()
        self.assertEqual((answer["requests_served"], answer["requests_declined"],
                          answer["last_error"]), (1, 1, None))

    def test_metrics_are_prometheus_text_for_who_accepts_it(self):
        self.predict(question())
        rpc_client = rpc.Client(self.server.port)
        self.addCleanup(rpc_client.close)
        rpc_client.call(SERVICE, "Predict", question())
        for accept in ("text/plain", "application/openmetrics-text; version=1.0.0"):
            status, headers, text = harness.rest(
                self.server.port, "GET", "/metrics", None, {"Accept": accept})
            self.assertEqual(status, 200)
            self.assertTrue(headers["Content-Type"].startswith("text/plain"))
        samples = parse_prometheus(text.decode())
        name = "specserve_request_duration_seconds"
        of = 'endpoint="runtime.predict"'
        buckets = [value for key, value in samples.items()
                   if key.startswith(f"{name}_bucket{{{of}")]
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual(buckets[-1], 2)
        self.assertEqual(samples[f"{name}_count{{{of}}}"], 2)
        for door in ("rest", "grpc"):
            self.assertEqual(samples[
                f'specserve_requests_total{{{of},door="{door}",code="OK"}}'], 1)

    def test_metrics_are_json_for_everybody_else(self):
        for accept in ("application/json", "*/*", "text/html"):
            _, headers, _ = harness.rest(self.server.port, "GET", "/metrics",
                                         None, {"Accept": accept})
            self.assertEqual(headers["Content-Type"], "application/json")


def parse_prometheus(text):
    """Samples by name with labels, in order; the text must be well-formed."""
    kinds, samples = {}, {}
    line_form = re.compile(
        r'([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)')
    for line in text.splitlines():
        if line.startswith("# "):
            _, what, name, rest = line.split(" ", 3)
            if what == "TYPE":
                assert name not in kinds, f"two types for {name}"
                kinds[name] = rest
            continue
        match = line_form.fullmatch(line)
        assert match, f"no sample: {line}"
        name, labels, value = match.groups()
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert family in kinds or name in kinds, f"no type for {name}"
        key = name + (labels or "")
        assert key not in samples, f"{key} twice"
        samples[key] = float(value)
    return samples


if __name__ == "__main__":
    unittest.main(verbosity=2)
