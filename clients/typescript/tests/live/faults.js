/*
 * A REST client and tests/e2e/faulty_server.py.
 *
 *   node faults.js URL
 */
import assert from "node:assert/strict";
import { answerOf, BadAnswerError, Client, errors, UnavailableError } from "specserve";

const url = process.argv[2];
const HEALTH = { status: "ok", model: "m", version: "1.2.0" };
const good = { do: "answer", body: HEALTH };
const script = (...steps) => fetch(`${url}/_script`, { method: "POST", body: JSON.stringify(steps) });
const seen = () => fetch(`${url}/_seen`).then((answer) => answer.json());
const failure = (promise) => promise.then(() => assert.fail("no error"), (problem) => problem);
const open = (settings) => new Client({ endpoints: url, ...settings });
const isOf = (problem, type, what) => assert.ok(problem instanceof type, `${what}: ${problem}`);

for (const step of ["garbage", "bad_chunk", "long_head", "endless"]) { // broken, so not repeated
  await script({ do: step, body: HEALTH });
  isOf(await failure(open({ maxAnswerBytes: 1 << 20 }).model().health()), BadAnswerError, step);
  assert.equal((await seen()).length, 1, step);
}
for (const text of ["", "nonsense", "[]", '{"status":3}', '{"model":"m","version":"1"}']) {
  await script({ do: "answer", text });
  isOf(await failure(open().model().health()), BadAnswerError, text);
  assert.equal((await seen()).length, 1, text);
}
for (const step of ["answer", "chunked", "interim", "close_after", "junk_after", "answer"]) {
  await script({ do: step, body: HEALTH });
  const model = open().model();
  assert.equal((await model.health()).model, "m", step);
  assert.equal((await model.health()).model, "m", step);
}
for (const step of ["drop", "reset", "drop_head", "drop_body"]) {
  await script({ do: step, body: HEALTH }, good);
  assert.equal(answerOf(await open().model().health()).attempts, 2, step);
}
for (const step of ["hang", "slow", "drip"]) {
  await script({ do: step, body: HEALTH, seconds: 1 });
  const start = performance.now();
  isOf(await failure(open().model().health({}, { timeoutMs: 300 })), errors.TimeoutError, step);
  assert.ok(performance.now() - start < 900, step);
}

// a storm, all calls at once: attempts stay within the budget
await script({ do: "answer", status: 503, body: { success: false, error: "full", error_code: "OVERLOADED" } });
const model = open({ backoffMs: 1 }).model();
const storm = await Promise.all(Array.from({ length: 40 }, () => failure(model.health())));
for (const problem of storm) isOf(problem, errors.OverloadedError, "storm");
assert.equal((await seen()).length, 40 + 10);

// Retry-After is waited for, unless there is no time
const busy = { do: "answer", status: 503, headers: { "Retry-After": "1" }, body: { error: "full", error_code: "OVERLOADED" } };
await script(busy, good);
await open().model().health();
const [first, second] = await seen();
assert.ok(second.at - first.at > 0.95);
assert.equal(first.headers["x-request-id"], second.headers["x-request-id"]);
assert.ok(Number(second.headers["x-request-timeout"]) < Number(first.headers["x-request-timeout"]));
await script(busy);
const start = performance.now();
isOf(await failure(open().model().health({}, { timeoutMs: 500 })), errors.OverloadedError, "no time");
assert.ok(performance.now() - start < 450);

// what may not be repeated is sent once; what may, is
for (const [verb, step, times] of [["POST", { do: "drop" }, 1], ["POST", { do: "answer", status: 503 }, 1], ["PUT", { do: "drop" }, 3]]) {
  await script(step);
  isOf(await failure(open().raw(verb, "/x", { body: "{}" })), UnavailableError, verb);
  assert.equal((await seen()).length, times, verb);
}

// hooks and headers
const events = [];
await script({ do: "drop" }, good);
await open({ token: () => "secret", observe: (event) => events.push(event), headers: { "x-more": "0", "X-All": "a" },
  trace: (operation) => `00-${operation}` }).model().health({}, { requestId: "mine", headers: { "X-More": "1" } });
const { headers } = (await seen())[1];
assert.deepEqual([headers.authorization, headers["x-request-id"], headers["x-more"], headers["x-all"], headers.traceparent],
  ["Bearer secret", "mine", "1", "a", "00-runtime.health"]);
assert.match(headers["user-agent"], /^specserve-typescript\/\S+ node\/\d/);
assert.deepEqual(events.map(({ operation, attempt, code }) => [operation, attempt, code]),
  [["runtime.health", 1, "UNAVAILABLE"], ["runtime.health", 2, ""]]);
assert.ok(!JSON.stringify(events).includes("secret"));
console.log("done");
