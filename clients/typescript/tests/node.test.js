/* Where the package runs, and https:// with certificates of one's own. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { test } from "node:test";
import { BadAnswerError, Client, errors, UnavailableError } from "../dist/index.js";
import { Client as GrpcClient } from "../dist/grpc.js";
import { tlsFetch } from "../dist/node.js";
import { certificates, failure, HEALTH, serve } from "./support.js";

test("the main entry needs nothing but a fetch: no module of Node, none of others", () => {
  const left = ["index.js"], seen = new Set();
  for (let file = left.pop(); file; file = left.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const text = readFileSync(new URL(`../dist/${file}`, import.meta.url), "utf8");
    for (const [, from] of text.matchAll(/^(?:import|export) (?:[^;"]* from )?"([^"]+)";/gm)) {
      assert.match(from, /^\.\.?\/[a-z_/]+\.js$/, `${file} imports ${from}`);
      left.push(new URL(from, `file:///${file}`).pathname.slice(1));
    }
    assert.doesNotMatch(text.replace(/\/\*.*?\*\//gs, ""), /\b(Buffer|require|__dirname|import\()\b/, file);
  }
  assert.ok(seen.size > 12, [...seen].join());
  assert.ok(!seen.has("proto.js") && !seen.has("grpc_transport.js"));
});

test("https: an own authority and a certificate of the client", async (t) => {
  const pem = certificates(t);
  let answer = JSON.stringify(HEALTH);
  const seen = [];
  const server = createServer({ key: pem("server-key"), cert: pem("server"), ca: pem("ca"), requestCert: true,
    rejectUnauthorized: true }, (request, response) => {
    seen.push(request);
    if (answer === "hang") return;
    if (answer === "drop") return void request.socket.destroy();
    request.resume();
    response.end(answer);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  const url = `https://localhost:${server.address().port}`;
  const tls = { ca: pem("ca").toString(), certificate: pem("client"), key: pem("client-key") };
  const open = (more) => new Client({ endpoints: url, token: "secret", attempts: 1, fetch: tlsFetch(tls), ...more });
  assert.equal((await open().model().health()).status, "ok");
  assert.equal(seen[0].headers.authorization, "Bearer secret");
  await open().raw("POST", "/x", { body: Uint8Array.of(1, 2) });
  assert.deepEqual([seen[1].method, seen[1].headers["content-length"]], ["POST", "2"]);
  const both = new GrpcClient({ endpoints: url, tls }); // one setting for both protocols
  t.after(() => both.close());
  assert.equal((await both.model().health()).status, "ok");
  for (const bad of [{}, { ca: tls.ca }])
    assert.ok((await failure(open({ fetch: tlsFetch(bad) }).model().health())) instanceof UnavailableError);
  assert.ok((await failure(open({ fetch }).model().health())) instanceof UnavailableError);
  assert.equal(seen.length, 3);
  answer = "hang";
  assert.ok((await failure(open().model().health({}, { timeoutMs: 100 }))) instanceof errors.TimeoutError);
  answer = "drop";
  const lost = await failure(open({ attempts: 3 }).model().health());
  assert.deepEqual([lost.code, lost.attempts], ["UNAVAILABLE", 3]);
  answer = "x".repeat(2000);
  assert.ok((await failure(open({ maxAnswerBytes: 1000 }).model().health())) instanceof BadAnswerError);
});

test("http: with certificates is the fetch that is built in", async (t) => {
  const { url } = await serve(t, () => ({ body: HEALTH }));
  assert.equal((await new Client({ endpoints: url, fetch: tlsFetch({}) }).model().health()).status, "ok");
});
