"""The Python clients against real servers."""
import asyncio
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import bundles
import harness
from client_vectors import ETHANOL, Live, start_replicas
from python_clients import SCHEMES, VARIANTS, Facade, address
import specserve
from specserve import errors, health, oip, registry, runtime
from specserve import text as text_api

PACKAGE = harness.ROOT / "clients" / "python"


class Operations(Live):
    """Every operation, by every client over every protocol."""

    def variants(self):
        for kind, protocol in VARIANTS:
            with self.subTest(kind=kind, protocol=protocol):
                yield Facade(self, kind), protocol

    def test_the_runtime_api(self):
        for facade, protocol in self.variants():
            client = facade.open(
                endpoints=address(self.registration["port"], protocol))
            model = client.model()
            self.assertEqual(model.health().status, "ok")
            self.assertEqual(model.capabilities().capabilities[0].name,
                             "regression")
            ranges = model.acceptable_ranges()
            self.assertIsInstance(ranges.property_ranges["LogS"],
                                  runtime.PropertyRange)
            answer = model.predict(**ETHANOL)
            self.assertTrue(answer.success)
            self.assertAlmostEqual(answer.results["LogS"], 1.0049, delta=1e-3)
            self.assertEqual(answer.results["smiles"], "CCO")
            self.assertIsNone(answer.error_message)
            self.assertEqual(model.info().license, "Apache-2.0")
            self.assertGreater(model.metrics().requests_served, 0)
            self.assertIn("AqSolDB", model.citation().paper_citation)
            self.assertEqual(model.test_examples().examples[0].name, "Ethanol")
            self.assertIn(b"openapi", model.openapi())
            with self.assertRaises(errors.ShutdownDisabledError):
                model.shutdown()

    def test_a_declined_input_is_an_answer(self):
        for facade, protocol in self.variants():
            model = facade.open(endpoints=address(
                self.registration["port"], protocol)).model()
            answer = model.predict(input_type="text", data={"text": "no!"})
            self.assertFalse(answer.success)
            self.assertEqual(answer.error_code, "INVALID_INPUT")

    def test_the_registry_api(self):
        for facade, protocol in self.variants():
            api = facade.open(
                registry=address(self.registry.port, protocol)).registry
            self.assertEqual(api.status().status, "ok")
            mine = api.register(
                app_name="python", app_version="1.2.0", model_name="other",
                process_id=os.getpid(), metadata={"a": {"b": [1, None]}})
            port, proof = mine.assigned_port, mine.registration_id
            self.assertEqual(api.heartbeat(port=port).port, port)
            (found,) = api.resolve(model_name="other").instances
            self.assertEqual(found.metadata, {"a": {"b": [1, None]}})
            self.assertEqual(found.process_id, os.getpid())
            self.assertIn(port, [r.port for r in api.list().registrations])
            with self.assertRaises(errors.RegistrationMismatchError):
                api.unregister(port=port, registration_id="no")
            api.unregister(port=port, registration_id=proof)
            with self.assertRaises(errors.NotFoundError):
                api.resolve(model_name="other")
            self.assertIn(b"openapi", api.openapi())

    def test_watch_is_an_iterator_that_can_be_closed(self):
        for facade, protocol in self.variants():
            api = facade.open(
                registry=address(self.registry.port, protocol)).registry
            events = api.watch(model_name=self.name)
            first = next(events)
            self.assertIs(first.kind, registry.WatchKind.PUT)
            self.assertEqual(first.registration.model_name, self.name)
            events.close()
            self.assertEqual(list(events), [])
            late = api.watch(model_name="nobody",
                             options=specserve.Options(timeout=0.2))
            with self.assertRaises(errors.TimeoutError):
                next(late)

    def test_the_formats_of_others(self):
        serving = health.HealthCheckResponseServingStatus.SERVING
        for facade, protocol in self.variants():
            client = facade.open(
                endpoints=address(self.registration["port"], protocol))
            checks = client.service(facade.service(health, "Health"))
            self.assertIs(checks.check().status, serving)
            states = checks.watch()
            self.assertIs(next(states).status, serving)
            states.close()
            infer = client.service(facade.service(oip, "GRPCInferenceService"))
            self.assertTrue(infer.server_live().live)
            found = infer.model_metadata(name=self.name)
            self.assertEqual(found.name, self.name)
            reply = infer.model_infer(model_name=self.name, inputs=[
                oip.ModelInferRequestInferInputTensor(
                    name=name, datatype="INT64", shape=[1, 3],
                    contents=oip.InferTensorContents(int64_contents=[1, 2, 1]))
                for name in ("input_ids", "attention_mask")])
            (output,) = reply.outputs
            self.assertEqual((output.name, list(output.shape)), ("y", [1, 3]))

    def test_what_a_union_takes(self):
        """Documents as texts and objects, token ids, and nothing else."""
        folder = harness.ROOT / "tests/data/bundles"
        ports = []
        for name in ("relevance", "sentences"):
            server = harness.Server(bundle=folder / name)
            self.addCleanup(server.stop)
            ports.append(server.port)
        for facade, protocol in self.variants():
            relevance, sentences = (
                facade.open(endpoints=address(port, protocol)).service(
                    facade.service(text_api, "TextModel")) for port in ports)
            told = relevance.rerank(
                query="Where does the cat sit?", return_documents=True,
                documents=["The stock market fell.",
                           {"text": "A cat sits on the mat."},
                           text_api.RerankText(text="the")])
            self.assertEqual({row.document.text for row in told.results},
                             {"The stock market fell.", "A cat sits on the mat.",
                              "the"})
            one, two = ([row.embedding for row in sentences.embeddings(
                input=given, model="Sentences").data]
                for given in ([5, 6], [[5, 6], (7,)]))
            self.assertEqual((len(one), len(two)), (1, 2))
            for got, wanted in zip(two[0], one[0], strict=True):
                self.assertAlmostEqual(got, wanted, delta=2e-6)
            if protocol == "grpc":
                with self.assertRaisesRegex(ValueError, "documents: is none of"):
                    relevance.rerank(query="?", documents=[3])

    def test_a_model_is_found_by_its_name(self):
        for facade, protocol in self.variants():
            client = facade.open(
                registry=address(self.registry.port, "rest"), protocol=protocol)
            answer = client.model(self.name).predict(**ETHANOL)
            self.assertTrue(answer.success)
            with self.assertRaises(errors.NotFoundError):
                client.model("nosuch").health()

    def test_raw_calls_bring_bytes(self):
        for facade, protocol in self.variants():
            client = facade.open(
                endpoints=address(self.registration["port"], protocol))
            answer = client.raw("GET", "/metrics",
                                headers={"Accept": "text/plain"})
            self.assertIn(b"# HELP", answer.body)
            with self.assertRaises(errors.NotFoundError):
                client.raw("GET", "/nosuch")

    def test_the_id_of_a_request_comes_back(self):
        for facade, protocol in self.variants():
            model = facade.open(endpoints=address(
                self.registration["port"], protocol)).model()
            options = specserve.Options(request_id="order-7")
            reply = model.health(options=options)
            answer = specserve.answer_of(reply)
            self.assertEqual(answer.headers["x-request-id"], "order-7")
            with self.assertRaises(errors.ApiError) as raised:
                model.predict(input_type="none", data={}, options=options)
            self.assertEqual(raised.exception.request_id, "order-7")

    def test_a_call_that_is_late_says_so(self):
        for facade, protocol in self.variants():
            model = facade.open(endpoints=address(
                self.registration["port"], protocol)).model()
            with self.assertRaises(TimeoutError):
                model.predict(**ETHANOL, options=specserve.Options(timeout=1e-6))

    def test_a_forked_child_makes_connections_of_its_own(self):
        client = specserve.Client(
            endpoints=address(self.registration["port"], "rest"))
        self.addCleanup(client.close)
        client.model().health()
        child = os.fork()
        if child == 0:
            fine = client.model().health().status == "ok"
            os._exit(0 if fine else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(client.model().health().status, "ok")


class Failover(unittest.TestCase):
    """Two replicas behind the registry; things die."""

    def load(self, client, name, seconds, middle):
        """Calls from four threads; `middle` happens half way."""
        failed, counts, used = [], [0] * 4, set()
        end = time.monotonic() + seconds

        def work(number):
            model = client.model(name)
            while time.monotonic() < end:
                try:
                    reply = model.predict(**ETHANOL)
                    used.add(specserve.answer_of(reply).endpoint)
                    counts[number] += 1
                except specserve.ApiError as error:
                    failed.append(error)
        threads = [threading.Thread(target=work, args=(number,))
                   for number in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(seconds / 2)
        middle()
        for thread in threads:
            thread.join()
        return failed, sum(counts), used

    def test_a_replica_is_killed_under_load(self):
        for kind, protocol in VARIANTS:
            with self.subTest(kind=kind, protocol=protocol):
                registry_program, servers, name = start_replicas(self)
                client = Facade(self, kind).open(
                    registry=address(registry_program.port, "rest"),
                    protocol=protocol, refresh=0.5)
                failed, count, used = self.load(client, name, 1.6,
                                                servers[0].kill)
                self.assertEqual(failed, [])
                self.assertGreater(count, 20)
                self.assertEqual(len(used), 2)
                for program in (*servers, registry_program):
                    program.stop(signal.SIGKILL)

    def test_the_registry_may_be_away(self):
        registry_program, servers, name = start_replicas(self)
        for kind, protocol in VARIANTS:
            with self.subTest(kind=kind, protocol=protocol):
                client = Facade(self, kind).open(
                    registry=address(registry_program.port, "rest"),
                    protocol=protocol, refresh=0.05)
                client.model(name).health()
                registry_program.process.send_signal(signal.SIGSTOP)
                self.addCleanup(registry_program.process.send_signal,
                                signal.SIGCONT)
                try:
                    time.sleep(0.1)
                    model = client.model(name)
                    options = specserve.Options(timeout=20)
                    self.assertEqual(model.health(options=options).status, "ok")
                finally:
                    registry_program.process.send_signal(signal.SIGCONT)
        registry_program.kill()
        client = specserve.Client(
            registry=address(registry_program.port, "rest"))
        self.addCleanup(client.close)
        with self.assertRaises(specserve.UnavailableError):
            client.model(name).health()


class Typed(unittest.TestCase):
    """`specgen model-client`: a class per model."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def generate(self, bundle, name):
        subprocess.run([harness.BIN / "specgen", "model-client", "--bundle",
                        bundle, "--lang", "python", "--out", self.folder],
                       check=True)
        spec = importlib.util.spec_from_file_location(
            name, self.folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        self.addCleanup(sys.modules.pop, name, None)
        spec.loader.exec_module(module)
        return module

    def serve(self, bundle):
        server = harness.Server(bundle=bundle)
        self.addCleanup(server.stop)
        return server.port

    def test_names_types_and_checks(self):
        module = self.generate(harness.BUNDLE, "solubility")
        port = self.serve(harness.BUNDLE)
        for protocol in SCHEMES:
            client = specserve.Client(endpoints=address(port, protocol))
            self.addCleanup(client.close)
            model = module.Solubility(client)
            found = model.predict(text="CCO", property="LogS")
            self.assertAlmostEqual(found.LogS, 1.0049, delta=1e-3)
            self.assertEqual(found.smiles, "CCO")
            self.assertTrue(found.response.success)
            with self.assertRaises(errors.InvalidInputError):
                model.predict(text="no!")
            before = client.model().metrics().requests_served
            for bad, why in (({"text": 3}, "text"), ({"text": "C" * 2049}, "2048"),
                             ({"text": None}, "required"),
                             ({"text": "C", "property": "x"}, "none of")):
                with self.assertRaisesRegex(ValueError, why):
                    model.predict(**bad)
            self.assertEqual(client.model().metrics().requests_served, before)
        text = module.Solubility.__doc__ + module.SolubilityResult.__doc__
        for word in ("log10(mol/L)", "-13.1719 to 2.1377", "Ethanol"):
            self.assertIn(word, text)

    def test_asyncio(self):
        module = self.generate(harness.BUNDLE, "solubility")
        port = self.serve(harness.BUNDLE)

        async def call():
            async with specserve.AsyncClient(
                    endpoints=address(port, "rest")) as client:
                return await module.AsyncSolubility(client).predict(text="CCO")
        self.assertEqual(asyncio.run(call()).LogS_range, "trained")

    def test_an_embedding_bundle(self):
        bundle = harness.ROOT / "tests/data/bundles/sentences"
        rows = json.loads((bundle.parent / "reference.json").read_text())
        row = rows["sentences"][0]
        module = self.generate(bundle, "sentences")
        port = self.serve(bundle)
        for kind, protocol in VARIANTS:
            client = Facade(self, kind).open(endpoints=address(port, protocol))
            reply = client.service(
                Facade(self, kind).service(text_api, "TextModel")).embeddings(
                    input=row["text"], model="Sentences")
            self.assertEqual(len(reply.data), 1)
        for protocol in SCHEMES:
            client = specserve.Client(endpoints=address(port, protocol))
            self.addCleanup(client.close)
            found = module.Sentences(client).predict(text=row["text"])
            self.assertEqual(len(found.embedding), len(row["mean"]))
            for got, wanted in zip(found.embedding, row["mean"]):
                self.assertAlmostEqual(got, wanted, delta=2e-6)

    def test_a_model_that_changed_is_told_not_guessed(self):
        module = self.generate(harness.BUNDLE, "solubility")
        for old, new in (("LogS_low", "LogS_least"), ('"1.0.0"', '"1.0.1"')):
            bundle = self.folder / new.strip('"')
            shutil.copytree(harness.BUNDLE, bundle)
            for file in bundle.glob("*.yaml"):
                file.write_text(file.read_text().replace(old, new))
            client = specserve.Client(
                endpoints=address(self.serve(bundle), "rest"))
            self.addCleanup(client.close)
            with self.assertRaises(specserve.ModelChangedError) as raised:
                module.Solubility(client).predict(text="CCO")
            self.assertEqual(raised.exception.code, "MODEL_CHANGED")
            self.assertEqual(client.model().metrics().requests_served, 0)

    def test_other_weights_under_one_version_are_told(self):
        bundle = bundles.steered(self.folder)
        module = self.generate(bundle, "steered")
        weights = bundle / "model.onnx"
        data = weights.read_bytes()
        server = harness.Server(bundle=bundle)
        self.addCleanup(server.stop)
        models = []
        for protocol in SCHEMES:
            client = specserve.Client(endpoints=address(server.port, protocol))
            self.addCleanup(client.close)
            models.append(module.Steered(client))
            self.assertGreaterEqual(models[-1].predict(x=[4.0]).y, 2)
        server.stop()
        weights.write_bytes(data.replace(b"steered", b"altered", 1))
        server = harness.Server(bundle=bundle, port=server.port)
        self.addCleanup(server.stop)
        for old in models:  # they have compared /info with the first server
            with self.assertRaisesRegex(specserve.ModelChangedError,
                                        "the answer is of the model"):
                old.predict(x=[4.0])
            client = specserve.Client(endpoints=address(server.port, "rest"))
            self.addCleanup(client.close)
            with self.assertRaisesRegex(specserve.ModelChangedError,
                                        "the server has Steered 1 with sha256"):
                module.Steered(client).predict(x=[4.0])
        self.generate(bundle, "steered").Steered(client).predict(x=[4.0])

    def test_a_number_that_is_written_as_text(self):
        bundle = bundles.numbers_as_text(bundles.steered(self.folder))
        module = self.generate(bundle, "steered")
        self.assertEqual(module.SteeredResult.__annotations__["y"], "str")
        self.assertIn("float as text", module.SteeredResult.__doc__)
        port = self.serve(bundle)
        for protocol in SCHEMES:
            client = specserve.Client(endpoints=address(port, protocol))
            self.addCleanup(client.close)
            self.assertEqual(module.Steered(client).predict(x=[4.0]).y, "3.0")

    def test_a_server_that_tells_no_digest(self):
        """Name, version and outputs are compared; one that starts, again."""
        module = self.generate(harness.BUNDLE, "solubility")
        said = runtime.InfoResponse
        known = {"name": "Solubility", "description": "", "license": "",
                 "citation": "", "maintainer": "", "model_version": "1.0.0"}
        model = module.Solubility(specserve.Client(endpoints="http://127.0.0.1:1"))
        self.assertFalse(model._is_bundle(said(**known)))
        self.assertTrue(model._is_known(said(**known)))
        self.assertFalse(model._is_known(said(**known, documents_digest="x")))
        self.assertTrue(model._is_bundle(
            said(**known, bundle_digest=module.Solubility.BUNDLE_DIGEST)))

    def test_it_is_as_typed_as_the_rest(self):
        self.generate(harness.BUNDLE, "solubility")
        subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir",
             self.folder / "cache", self.folder / "solubility.py"], check=True,
            env={**os.environ, "MYPYPATH": PACKAGE / "src"},
            stdout=subprocess.DEVNULL)

    def changed(self, old, new):
        """The bundle with another text in its ModelService."""
        bundle = self.folder / "bundle"
        shutil.copytree(harness.BUNDLE, bundle)
        file, = bundle.glob("*.modelservice.yaml")
        self.assertTrue(old in file.read_text(), old)
        file.write_text(file.read_text().replace(old, new, 1))
        return bundle

    def test_no_text_of_a_bundle_becomes_code(self):
        for old, new in (("name: Solubility", r'name: "a\nimport os"'),
                         ("name: text", """name: 'text", open("x")); #'"""),
                         ("name: text", "name: 2nd"),
                         ("type: text", """type: 'text"'""")):
            with self.subTest(new):
                done = subprocess.run(
                    [harness.BIN / "specgen", "model-client", "--bundle",
                     self.changed(old, new), "--lang", "python", "--out",
                     self.folder], check=False, text=True, capture_output=True)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"yaml:\d+:\d+: bundle: '")
                self.assertEqual(list(self.folder.glob("*.py")), [])
            shutil.rmtree(self.folder / "bundle")

    def test_a_version_or_name_of_any_kind_gives_a_module(self):
        module = self.generate(self.changed(
            'version: "1.0.0"', r'version: "1\nraise \"\"\""'), "solubility")
        self.assertEqual(module.Solubility.VERSION, '1\nraise """')
        shutil.rmtree(self.folder / "bundle")
        module = self.generate(
            self.changed("name: Solubility", "name: 3d-model"), "3d_model")
        self.assertEqual(module.Model3dModel.NAME, "3d-model")
        for name in ("input", "none"):  # what the module has names for
            shutil.rmtree(self.folder / "bundle")
            module = self.generate(
                self.changed("name: Solubility", f"name: {name}"), name)
            self.assertEqual(
                getattr(module, f"Model{name.title()}").NAME, name)

    def test_a_folder_that_is_no_bundle_is_said(self):
        done = subprocess.run(
            [harness.BIN / "specgen", "model-client", "--bundle", self.folder,
             "--lang", "python"], check=False, text=True, capture_output=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("bundle: holds 0 documents of kind ModelService",
                      done.stderr)


class Package(unittest.TestCase):
    """The wheel alone, in an environment that has nothing else."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.python = cls.folder / "venv" / "bin" / "python"
        source = cls.folder / "source"
        cls.run_(["cp", "-r", PACKAGE, source])
        cls.run_([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps",
                  "--no-build-isolation", "-w", cls.folder, source])
        (cls.wheel,) = cls.folder.glob("specserve-*.whl")
        cls.run_([sys.executable, "-m", "venv", "--without-pip",
                  cls.folder / "venv"])
        cls.run_([sys.executable, "-m", "pip", "--python", cls.python,
                  "install", "-q", "--no-index", cls.wheel])

    @classmethod
    def run_(cls, command, **options):
        return subprocess.run(list(map(str, command)), check=True, text=True,
                              stdout=subprocess.PIPE, cwd=cls.folder,
                              **options).stdout

    def test_the_first_example_of_the_readme_runs(self):
        text = (PACKAGE / "README.md").read_text()
        example = text.split("```python\n", 1)[1].split("```", 1)[0]
        program = harness.Registry()
        self.addCleanup(program.stop)
        server = harness.Server(registry=f"http://127.0.0.1:{program.port}")
        self.addCleanup(server.stop)
        harness.wait_until(program.registrations, 10, "it is registered")
        self.assertIn("http://127.0.0.1:5000", example)
        example = example.replace(":5000", f":{program.port}")
        out = self.run_([self.python, "-c", example])
        self.assertIn("1.00", out)

    def test_the_import_is_quick_and_needs_nothing(self):
        # of this process alone, whatever else runs
        code = ("import time; start = time.process_time(); import specserve; "
                "specserve.Client(endpoints='http://127.0.0.1:1').model(); "
                "print((time.process_time() - start) * 1000)")
        best = min(float(self.run_([self.python, "-c", code]))
                   for _ in range(5))
        self.assertLess(best, 100 * harness.PATIENCE)

    def test_grpc_says_what_is_missing(self):
        code = ("import specserve\n"
                "try:\n"
                "    specserve.Client(endpoints='grpc://127.0.0.1:1').model()"
                ".health()\n"
                "except ImportError as error:\n"
                "    print(error)")
        self.assertIn("specserve[grpc]", self.run_([self.python, "-c", code]))

    def test_types_are_part_of_it(self):
        names = self.run_([sys.executable, "-m", "zipfile", "-l", self.wheel])
        self.assertIn("specserve/py.typed", names)


if __name__ == "__main__":
    unittest.main()
