/* The built client against gen/vectors and against servers that misbehave. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, ApiError, BadAnswerError, Client, errors, health, registry, text, UnavailableError } from "../dist/index.js";
import { bare, camel, failure, HEALTH, serve, SERVICES, vectorsOf } from "./support.js";

function scriptOf({ answer = {} }) {
  const bytes = answer.text !== undefined ? Buffer.from(answer.text)
    : answer.base64 !== undefined ? Buffer.from(answer.base64, "base64")
    : Buffer.from(JSON.stringify(answer.body ?? {}));
  return { status: answer.status, headers: answer.headers, bytes };
}

for (const [prefix, type] of Object.entries(SERVICES)) {
  const vectors = vectorsOf(prefix);
  for (const item of vectors.cases.filter((item) => item.rest))
    test(`vector ${item.name}`, async (t) => {
      const { url, seen } = await serve(t, () => scriptOf(item));
      const call = new Client({ endpoints: url, attempts: 1 }).service(type);
      const outcome = call[camel(item.operation.split(".")[1])](item.request);
      const result = await (item.error || !item.answer ? outcome.catch((problem) => problem) : outcome);
      assert.equal(`${seen[0].verb} ${seen[0].target}`, `${item.rest.verb} ${item.rest.target}`);
      if (item.rest.body) assert.deepEqual(JSON.parse(seen[0].body), item.rest.body);
      assert.ok(Number(seen[0].headers["x-request-timeout"]) > 0);
      if (item.error) assert.equal(result.code, item.error.code);
      else if (item.answer) assert.deepEqual(bare(result), bare(item.answer.body));
    });
  test(`every error of ${prefix} has its type`, async (t) => {
    let row;
    const { url } = await serve(t, () => ({ status: row.http,
      body: { success: false, error: "why", error_code: row.code } }));
    const client = new Client({ endpoints: url, attempts: 1 });
    for (row of vectors.operations.flatMap((op) => op.errors)) {
      if (row.http < 300) continue;
      const problem = await failure(client.service(type)[camel(vectors.operations[0].id.split(".")[1])]({}));
      assert.equal(problem.constructor, errors.BY_CODE[row.code].type);
      assert.equal(problem.retry, row.retry);
      assert.equal(problem.http, row.http);
    }
  });
}

test("of an answer of others the status decides, as in every client", async (t) => {
  let status;
  const { url } = await serve(t, () => ({ status, bytes: Buffer.from("<html>") }));
  const client = new Client({ endpoints: url, attempts: 1 });
  for (const [number, code] of Object.entries({ 400: "INTERNAL", 401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED", 404: "NOT_IMPLEMENTED", 408: "REQUEST_TIMEOUT", 413: "PAYLOAD_TOO_LARGE",
    418: "UNKNOWN", 429: "UNAVAILABLE", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "UNAVAILABLE" })) {
    status = Number(number);
    const problem = await failure(client.model().health());
    assert.equal(problem.code, code);
    assert.equal(problem.constructor, errors.BY_CODE[code]?.type ?? problem.constructor);
  }
});

test("a 503 storm ends by itself: attempts stay within the budget", async (t) => {
  const { url, seen } = await serve(t, () => ({ status: 503, body: { error_code: "NOT_READY", error: "x" } }));
  const client = new Client({ endpoints: url, backoffMs: 1 });
  for (let i = 0; i < 50; i++)
    assert.ok((await failure(client.model().health())) instanceof errors.NotReadyError);
  assert.equal(seen.length, 60); // 50 calls, 10 tokens
});

test("a dropped call is repeated, with the same request id", async (t) => {
  const { url, seen } = await serve(t, (n) => (n < 3 ? "drop" : { body: HEALTH }));
  const events = [];
  const client = new Client({ endpoints: url, observe: (event) => events.push(event.code), trace: () => "00-a-b-01" });
  assert.equal((await client.model().health({}, { requestId: "r1" })).status, "ok");
  assert.deepEqual(events, ["UNAVAILABLE", "UNAVAILABLE", ""]);
  assert.ok(seen.every(({ headers }) => headers["x-request-id"] === "r1" && headers.traceparent === "00-a-b-01"));
});

test("what is sent once is not repeated after it went out", async (t) => {
  const { url, seen } = await serve(t, () => "drop");
  assert.ok((await failure(new Client({ endpoints: url }).raw("POST", "/x"))) instanceof UnavailableError);
  assert.equal(seen.length, 1);
});

test("a raw call goes where its client does", async (t) => {
  const { url, seen } = await serve(t, () => ({ body: HEALTH }));
  const client = new Client({ endpoints: url });
  for (const target of ["health", "@127.0.0.1/x", "0/x", "", "/a b", "/\u00fc"])
    assert.throws(() => client.raw("GET", target), TypeError, target);
  assert.throws(() => client.raw("GET /x", "/x"), TypeError);
  assert.equal((await client.raw("GET", "/health?a=%20")).status, 200);
  assert.equal(seen.length, 1);
});

test("Retry-After is waited for", async (t) => {
  const { url } = await serve(t, (n) => (n > 1 ? { body: HEALTH }
    : { status: 503, headers: { "Retry-After": "0.3" }, body: { error_code: "NOT_READY", error: "x" } }));
  const start = Date.now();
  await new Client({ endpoints: url }).model().health();
  assert.ok(Date.now() - start >= 290);
});

test("a slow server meets the deadline; a caller may leave", async (t) => {
  const { url } = await serve(t, () => "hang");
  const model = new Client({ endpoints: url }).model();
  assert.ok((await failure(model.health({}, { timeoutMs: 100 }))) instanceof errors.TimeoutError);
  const leave = new AbortController();
  setTimeout(() => leave.abort(new Error("left")), 50);
  assert.equal((await failure(model.health({}, { signal: leave.signal }))).message, "left");
});

test("a time without end is a long one", async (t) => {
  const { url, seen } = await serve(t, () => ({ body: HEALTH }));
  assert.equal((await new Client({ endpoints: url }).model().health({}, { timeoutMs: Infinity })).status, "ok");
  assert.ok(Number(seen[0].headers["x-request-timeout"]) > 2_000_000);
});

test("a token needs TLS or loopback", async (t) => {
  const { url, seen } = await serve(t, () => ({ body: HEALTH }));
  await new Client({ endpoints: url, token: async () => "secret" }).model().health();
  assert.equal(seen[0].headers.authorization, "Bearer secret");
  const far = new Client({ endpoints: "http://example.org", token: "secret", fetch: () => assert.fail("was sent") });
  assert.ok((await failure(far.model().health())) instanceof TypeError);
});

test("an answer that is too large is refused", async (t) => {
  const { url } = await serve(t, () => ({ body: { ...HEALTH, more: "x".repeat(2000) } }));
  const client = new Client({ endpoints: url, maxAnswerBytes: 1000 });
  assert.ok((await failure(client.model().health())) instanceof BadAnswerError);
});

test("of two well instances the less loaded is taken; one that fails is left", async (t) => {
  const good = await serve(t, () => ({ body: HEALTH }));
  const model = new Client({ endpoints: ["http://127.0.0.1:9", good.url] }).model();
  for (let i = 0; i < 20; i++) assert.equal((await model.health()).status, "ok");
  const busy = await serve(t, () => "hang");
  const stop = new AbortController();
  const both = new Client({ endpoints: [busy.url, good.url], attempts: 1 }).model();
  const first = Array.from({ length: 2 }, () => both.health({}, { signal: stop.signal }).catch(() => "left"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = good.seen.length;
  for (let i = 0; i < 5; i++) await both.health({}, { timeoutMs: 2000 });
  assert.ok(good.seen.length >= before + 5);
  stop.abort();
  await Promise.all(first);
});

test("the registry may go away", async (t) => {
  const server = await serve(t, () => ({ body: HEALTH }));
  let up = true;
  const instance = { port: Number(new URL(server.url).port), app_name: "a", app_version: "1", model_name: "m",
    process_alive: true, reason: "", registered_at: "", last_heartbeat: "", expires_at: "", status: "active" };
  const found = await serve(t, () => (up ? { body: { revision: 1, instances: [instance] } } : "drop"));
  const client = new Client({ registry: found.url });
  assert.equal((await client.model("m").health()).model, "m");
  up = false;
  client.groups.get("m").refreshAt = 0;
  assert.equal((await client.model("m").health()).model, "m");
  assert.ok((await failure(client.model("other").health())) instanceof ApiError);
});
