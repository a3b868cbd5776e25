"""The packed TypeScript client, installed in an empty folder, against servers."""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

PACKAGE = harness.ROOT / "clients" / "typescript"

OPERATIONS = """
import assert from "node:assert/strict";
import { Client, errors } from "specserve";
const client = new Client({ registry: process.argv[2] });
const name = process.argv[3];
const model = client.model(name);
assert.equal((await model.health()).status, "ok");
assert.equal((await model.capabilities()).capabilities[0].name, "regression");
assert.ok((await model.acceptableRanges()).property_ranges.LogS);
const answer = await model.predict({ input_type: "text", data: { text: "CCO" } });
assert.ok(Math.abs(answer.results.LogS - 1.0049) < 1e-3);
const declined = await model.predict({ input_type: "text", data: { text: "no!" } });
assert.equal(declined.success, false);
assert.equal((await model.info()).license, "Apache-2.0");
assert.ok((await model.metrics()).requests_served > 0);
assert.match((await model.citation()).paper_citation, /AqSolDB/);
assert.equal((await model.testExamples()).examples[0].name, "Ethanol");
assert.match(new TextDecoder().decode(await model.openapi()), /openapi/);
await assert.rejects(model.shutdown(), errors.ShutdownDisabledError);
assert.equal((await client.registry.status()).status, "ok");
assert.ok((await client.registry.list()).registrations.length > 0);
assert.ok((await client.registry.resolve({ model_name: name })).instances.length > 0);
await assert.rejects(client.registry.heartbeat({ port: 1 }), errors.NotFoundError);
await assert.rejects(client.registry.unregister({ port: 1, registration_id: "x" }), errors.NotFoundError);
const given = await client.registry.register({ app_name: "t", app_version: "1.2.0", model_name: "other",
  process_id: process.pid });
await client.registry.unregister({ port: given.assigned_port, registration_id: given.registration_id });
console.log("done");
"""

LOAD = """
import { Client } from "specserve";
const client = new Client({ registry: process.argv[2] });
const model = client.model(process.argv[3]);
let calls = 0, failed = 0;
const end = Date.now() + 3000;
console.log("started");
await Promise.all(Array.from({ length: 8 }, async () => {
  while (Date.now() < end) {
    calls++;
    await model.predict({ input_type: "text", data: { text: "CCO" } }).catch((problem) => {
      failed++;
      console.log(String(problem));
    });
  }
}));
console.log(JSON.stringify({ calls, failed }));
"""


@unittest.skipUnless(shutil.which("npm"), "npm is not installed")
class TypeScript(harness.Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="specserve-")
        cls.addClassCleanup(folder.cleanup)
        cls.home = pathlib.Path(folder.name)
        cls.npm("pack", "--silent", "--pack-destination", cls.home, at=PACKAGE)
        (cls.home / "package.json").write_text('{"type": "module"}')
        cls.npm("install", "--offline", "--silent", "./specserve-0.1.0.tgz", at=cls.home)

    @classmethod
    def npm(cls, *arguments, at):
        subprocess.run(["npm", *map(str, arguments)], cwd=at, check=True, timeout=120)

    def serve(self, replicas=1):
        registry = self.start(harness.Registry, ttl=30)
        url = f"http://127.0.0.1:{registry.port}"
        servers = [self.start(harness.Server, registry=url) for _ in range(replicas)]
        rows = harness.wait_until(
            lambda: len(registry.registrations()) == replicas and registry.registrations(),
            10, "all are registered")
        return url, rows[0]["model_name"], servers

    def node(self, text, *arguments):
        script = self.home / "script.js"
        script.write_text(text)
        return ["node", str(script), *arguments]

    def run_node(self, text, *arguments):
        done = subprocess.run(self.node(text, *arguments), cwd=self.home, timeout=60,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_every_operation(self):
        url, name, _ = self.serve()
        self.assertEqual(self.run_node(OPERATIONS, url, name), "done\n")

    def test_the_first_example_of_the_readme(self):
        url, name, _ = self.serve()
        example = re.search(r"```js\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)[1]
        self.assertIn(f'"{name}"', example)
        self.assertEqual(self.run_node(example.replace("http://127.0.0.1:5000", url)), "1.00\n")

    def test_no_call_fails_when_an_instance_is_killed(self):
        url, name, servers = self.serve(replicas=2)
        with subprocess.Popen(self.node(LOAD, url, name), cwd=self.home, text=True,
                              stdout=subprocess.PIPE) as load:
            self.assertEqual(load.stdout.readline(), "started\n")
            harness.wait_until(lambda: "predict" in servers[0].logged(), 10, "it is under load")
            servers[0].kill()
            said = load.stdout.read()
        self.assertRegex(said, r'^\{"calls":\d{3,},"failed":0\}\n$')


if __name__ == "__main__":
    unittest.main()
