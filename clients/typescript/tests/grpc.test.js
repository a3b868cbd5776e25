/* The client over gRPC: gen/vectors, and servers that misbehave. */
import assert from "node:assert/strict";
import { test } from "node:test";
import grpc from "@grpc/grpc-js";
import { Client as RestClient } from "../dist/index.js";
import { answerOf, BadAnswerError, Client, errors, health, oip, registry, runtime, UnavailableError, UNKNOWN }
  from "../dist/grpc.js";
import { decode, encode } from "../dist/proto.js";
import { readJson } from "../dist/message.js";
import { bare, camel, certificates, failure, operationOf, serve, serveGrpc, SERVICES, vectorsOf } from "./support.js";

const HEALTHY = encode(runtime.HEALTH.types, "HealthResponse", { status: "ok", model: "m", version: "1.2.0" });
const coded = (code, error, more = {}) => ({ code, details: "said so", trailers: { "x-error-code": error, ...more } });

function open(t, settings) {
  const client = new Client(settings);
  t.after(() => client.close());
  return client;
}

/** What JSON has and the schema has not, has no number on the wire. */
function known(types, name, value) {
  const rows = new Map((types.messages[name] ?? []).map((row) => [row[0], row]));
  return Object.fromEntries(Object.entries(value).filter(([key]) => rows.has(key)).map(([key, item]) => {
    const [, , kind, card, , type] = rows.get(key);
    const one = (each) => (kind === "msg" && each ? known(types, type, each) : each);
    return [key, card === "list" ? item?.map(one) : card === "map" && item
      ? Object.fromEntries(Object.entries(item).map(([k, v]) => [k, one(v)])) : one(item)];
  }));
}

for (const [prefix, type] of Object.entries(SERVICES)) {
  const vectors = vectorsOf(prefix);
  for (const item of vectors.cases.filter((item) => item.answer?.body && !item.error && operationOf(item.operation).method))
    test(`gRPC vector ${item.name}`, async (t) => {
      const op = operationOf(item.operation);
      const answer = known(op.types, op.reply, item.answer.body);
      const bytes = encode(op.types, op.reply, readJson(op.types, op.reply, structuredClone(answer)));
      const { url, seen } = await serveGrpc(t, () => (op.stream ? [bytes] : bytes));
      const result = open(t, { endpoints: url }).service(type)[camel(item.operation.split(".")[1])](item.request,
        { requestId: "vector-1" });
      const reply = op.stream ? (await result.next()).value : await result;
      assert.deepEqual(bare(reply), bare(readJson(op.types, op.reply, answer)));
      assert.equal(seen[0].method, item.method);
      assert.equal(seen[0].metadata["x-request-id"], "vector-1");
      assert.match(seen[0].metadata["user-agent"], /^specserve-typescript\/\S+ node\//);
      assert.ok(op.stream || seen[0].left < 61_000);
      assert.deepEqual(bare(decode(op.types, op.request, seen[0].body)),
        bare(readJson(op.types, op.request, structuredClone(item.request))));
      assert.equal(answerOf(reply).protocol, "grpc");
    });
  test(`every error of ${prefix} has its type over gRPC`, async (t) => {
    let row;
    const { url } = await serveGrpc(t, () => coded(row.grpc, row.code));
    const call = open(t, { endpoints: url, attempts: 1 }).service(type);
    for (row of vectors.operations.flatMap((op) => op.errors)) {
      if (row.http < 300) continue;
      const method = camel(vectors.operations[0].id.split(".")[1]);
      const problem = await failure(call[method]({}));
      assert.equal(problem.constructor, errors.BY_CODE[row.code].type);
      assert.deepEqual([problem.code, problem.http, problem.grpc, problem.retry, problem.message],
        [row.code, row.http, row.grpc, row.retry, `${row.code}: said so`]);
    }
  });
}

test("a message that is none, or lacks something, is a bad answer and not repeated", async (t) => {
  for (const bytes of [[255, 255, 255], [10, 5, 97], []]) {
    const { url, seen } = await serveGrpc(t, () => Uint8Array.from(bytes));
    assert.ok((await failure(open(t, { endpoints: url }).model().health())) instanceof BadAnswerError);
    assert.equal(seen.length, 1);
  }
});

test("an answer that is too large is a bad answer and not repeated", async (t) => {
  const { url, seen } = await serveGrpc(t, () => new Uint8Array(5000));
  const problem = await failure(open(t, { endpoints: url, maxAnswerBytes: 1000 }).model().health());
  assert.ok(problem instanceof BadAnswerError, String(problem));
  assert.equal(seen.length, 1);
});

test("a status without our code is that of gRPC", async (t) => {
  let code;
  const { url } = await serveGrpc(t, () => ({ code, details: "x" }));
  const model = open(t, { endpoints: url, attempts: 1 }).model();
  for (const [number, name] of Object.entries({ 2: "UNKNOWN", 3: "BAD_REQUEST", 5: "NOT_FOUND", 6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED", 8: "OVERLOADED", 12: "NOT_IMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE",
    16: "UNAUTHENTICATED" })) {
    code = Number(number);
    assert.equal((await failure(model.health())).code, name);
  }
});

test("a slow server meets the deadline; a caller may leave", async (t) => {
  const { url } = await serveGrpc(t, () => "hang");
  const model = open(t, { endpoints: url }).model();
  const start = performance.now();
  assert.ok((await failure(model.health({}, { timeoutMs: 200 }))) instanceof errors.TimeoutError);
  assert.ok(performance.now() - start < 900);
  const leave = new AbortController();
  setTimeout(() => leave.abort(new Error("left")), 50);
  assert.equal((await failure(model.health({}, { signal: leave.signal }))).message, "left");
  assert.equal((await failure(model.health({}, { signal: AbortSignal.abort(new Error("never")) }))).message, "never");
});

test("a storm stays within the budget; pushback is waited for", async (t) => {
  const { url, seen } = await serveGrpc(t, () => coded(8, "OVERLOADED", { "grpc-retry-pushback-ms": "1" }));
  const model = open(t, { endpoints: url }).model();
  for (let i = 0; i < 40; i++) assert.ok((await failure(model.health())) instanceof errors.OverloadedError);
  assert.equal(seen.length, 40 + 10);
  const other = await serveGrpc(t, (n) => (n > 1 ? HEALTHY : coded(8, "OVERLOADED", { "grpc-retry-pushback-ms": "300" })));
  const start = performance.now();
  const reply = await open(t, { endpoints: other.url }).model().health();
  assert.ok(performance.now() - start >= 290);
  assert.equal(answerOf(reply).attempts, 2);
});

test("a call that is broken off goes to another instance", async (t) => {
  const bad = await serveGrpc(t, () => "drop"), good = await serveGrpc(t, () => HEALTHY);
  const model = open(t, { endpoints: [bad.url, good.url] }).model();
  for (let i = 0; i < 20; i++) assert.equal((await model.health()).status, "ok");
  const gone = open(t, { endpoints: "grpc://127.0.0.1:9" }).model();
  const problem = await failure(gone.health({}, { timeoutMs: 2000 }));
  assert.ok(problem instanceof UnavailableError);
  assert.equal(problem.attempts, 3);
});

test("a stream ends with the server, with break, with close(), with its signal", async (t) => {
  const event = (revision) => encode(registry.WATCH.types, "WatchEvent", { revision, kind: "resync" });
  let tail = ["hang"];
  const { url, seen } = await serveGrpc(t, () => [event(1), event(2), ...tail]);
  const api = open(t, { endpoints: url }).registry;
  const left = () => new Promise((resolve) => seen.at(-1).call.on("cancelled", resolve));
  for await (const item of api.watch()) {
    assert.deepEqual(bare(item), { revision: 1, kind: "resync" });
    break;
  }
  if (!seen.at(-1).call.cancelled) await left();
  const stream = api.watch();
  await stream.next();
  await stream.next();
  const waiting = stream.next(); // close() ends it, too
  stream.close();
  stream.close();
  assert.deepEqual(await waiting, { done: true, value: undefined });
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
  const stop = new AbortController();
  const watched = api.watch({}, { signal: stop.signal });
  await watched.next();
  stop.abort(new Error("enough"));
  assert.equal((await failure(watched.next())).message, "enough");
  assert.deepEqual(await api.watch().return(), { done: true, value: undefined }); // never opened
  const late = api.watch({}, { timeoutMs: 200 });
  await late.next();
  await late.next();
  assert.ok((await failure(late.next())) instanceof errors.TimeoutError);
  tail = [];
  const all = [];
  for await (const item of api.watch()) all.push(item.revision);
  assert.deepEqual(all, [1, 2]);
});

test("a stream that breaks says so; it is not repeated", async (t) => {
  const event = encode(registry.WATCH.types, "WatchEvent", { revision: 1, kind: "put" });
  const { url, seen, stop } = await serveGrpc(t, (n) =>
    (n === 1 ? [event, coded(14, "NOT_READY")] : n === 2 ? [event, Uint8Array.of(255)] : [event, "hang"]));
  const api = open(t, { endpoints: url }).registry;
  for (const type of [errors.NotReadyError, BadAnswerError, UnavailableError]) {
    const stream = api.watch();
    assert.equal((await stream.next()).value.revision, 1);
    if (type === UnavailableError) stop();
    const problem = await failure(stream.next());
    assert.equal(problem.constructor, type, String(problem));
    assert.equal((await stream.next()).done, true);
  }
  assert.equal(seen.length, 3);
});

test("what a later version sends survives", async (t) => {
  const later = Uint8Array.from([...HEALTHY, 0xa2, 0x1f, 1, 65]);
  const { url } = await serveGrpc(t, () => later);
  const reply = await open(t, { endpoints: url }).model().health();
  assert.deepEqual([...reply[UNKNOWN]], [0xa2, 0x1f, 1, 65]);
  const checks = await serveGrpc(t, () => Uint8Array.of(8, 9));
  assert.equal((await open(t, { endpoints: checks.url }).service(health.Health).check()).status, "9");
});

test("the formats of others: bytes and 64 bits", async (t) => {
  const { url, seen } = await serveGrpc(t, () => encode(oip.MODEL_INFER.types, "ModelInferResponse",
    { model_name: "m", raw_output_contents: [Uint8Array.of(1, 2)] }));
  const infer = open(t, { endpoints: url }).service(oip.GRPCInferenceService);
  const reply = await infer.modelInfer({ model_name: "m", inputs: [{ name: "x", datatype: "INT64", shape: [2],
    contents: { int64_contents: [1, 2n ** 60n], fp32_contents: Float32Array.of(0.5) } }] });
  assert.deepEqual([...reply.raw_output_contents[0]], [1, 2]);
  assert.deepEqual([reply.id, reply.outputs], ["", []]);
  const sent = decode(oip.MODEL_INFER.types, "ModelInferRequest", seen[0].body).inputs[0].contents;
  assert.deepEqual([sent.int64_contents, sent.fp32_contents], [[1, 2n ** 60n], [0.5]]);
});

test("a misspelt field is refused here, because protobuf would lose it", async (t) => {
  const { url, seen } = await serveGrpc(t, () => HEALTHY);
  const problem = await failure(open(t, { endpoints: url }).registry.resolve({ model: "m" }));
  assert.ok(problem instanceof TypeError);
  assert.equal(seen.length, 0);
});

test("one client speaks both: REST of gRPC endpoints, gRPC at REST ones", async (t) => {
  const rest = await serve(t, () => ({ body: { x: 1 } }));
  const client = open(t, { endpoints: rest.url.replace("http", "grpc") });
  assert.equal((await client.raw("GET", "/metrics")).status, 200);
  const { url } = await serveGrpc(t, () => Uint8Array.of(8, 1));
  const checks = open(t, { endpoints: url.replace("grpc", "http") }).service(health.Health);
  assert.equal((await checks.check()).status, "SERVING");
  const plain = new RestClient({ endpoints: url });
  for (const call of [() => plain.model().health(), () => plain.registry.watch().next()])
    assert.match((await failure(call())).message, /specserve\/grpc/);
});

test("closing may be repeated; a closed client says so", async (t) => {
  const { url } = await serveGrpc(t, () => HEALTHY);
  const client = new Client({ endpoints: url });
  await client.model().health();
  client.close();
  client.close();
  assert.match((await failure(client.model().health())).message, /closed/);
});

test("grpcs: an own authority, a certificate of the client, a token", async (t) => {
  const pem = certificates(t);
  const { authority, seen } = await serveGrpc(t, () => HEALTHY, grpc.ServerCredentials.createSsl(pem("ca"),
    [{ private_key: pem("server-key"), cert_chain: pem("server") }], true));
  const tls = { ca: pem("ca"), certificate: pem("client"), key: pem("client-key") };
  const call = (settings) => open(t, { endpoints: `grpcs://${authority}`, token: "secret", attempts: 1, ...settings })
    .model().health();
  assert.equal((await call({ tls })).status, "ok");
  assert.equal(seen[0].metadata.authorization, "Bearer secret");
  for (const bad of [{}, { ca: tls.ca }]) assert.ok((await failure(call({ tls: bad }))) instanceof UnavailableError);
  assert.equal(seen.length, 1);
});
