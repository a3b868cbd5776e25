/* What a typed client checks before it sends, and of what comes back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, errors, ModelChangedError, TypedModel } from "../dist/index.js";
import { failure, serve } from "./support.js";

const DIGEST = `sha256:${"1".repeat(64)}`, OTHER = `sha256:${"2".repeat(64)}`;
const FACTS = {
  name: "M", version: "1", bundleDigest: DIGEST, modelDigest: DIGEST, inputType: "tabular",
  inputs: [
    { name: "x", type: "array<float>", length: 2 }, { name: "words", type: "array<string>", optional: true },
    { name: "picture", type: "image", optional: true, maxBytes: 3 }, { name: "more", type: "object", optional: true },
    { name: "n", type: "integer", optional: true, minimum: 1, maximum: 5 }, { name: "f", type: "float", optional: true },
    { name: "b", type: "boolean", optional: true }, { name: "w", type: "string", optional: true, values: ["a", "b"] },
  ],
  outputs: [
    { name: "y", type: "float" }, { name: "response", type: "string", member: "response_" },
    { name: "v", type: "array<float>", length: 2 }, { name: "big", type: "float", encoded: true },
  ],
};
const SCHEMA = { y: "float", response: "string", v: "array<float>", big: "float" };
const INFO = { name: "M", description: "", license: "", citation: "", maintainer: "", model_version: "1" };
const KNOWN = { ...INFO, bundle_digest: DIGEST, model_digest: DIGEST, documents_digest: DIGEST };
const RESULTS = { y: 1.5, response: "r", v: [1, 2], big: "12345678901234567890" };
const GOOD = { success: true, model_name: "M", results: RESULTS, computation_time_ms: 1, error_message: null };

/** A server of M that says this of itself and answers so. */
async function model(t, { info = KNOWN, schema = SCHEMA, types = ["tabular"], name = "M", answer = GOOD, headers } = {}) {
  const said = { info, answer };
  const server = await serve(t, (_, { url }) => {
    if (url === "/info") return { body: said.info };
    if (url !== "/capabilities") return { body: said.answer, headers };
    return { body: { model: name, capabilities: [{ name: "c", description: "", input_types: types, output_schema: schema }],
      elements: [] } };
  });
  const asked = () => server.seen.map(({ target }) => target.slice(1));
  return { typed: new TypedModel(new Client({ endpoints: server.url }), FACTS), said, asked, seen: server.seen };
}

test("outputs come by name and type; the model is compared once", async (t) => {
  const { typed, asked, seen } = await model(t, { headers: { "x-model-digest": DIGEST } });
  const found = await typed.predict({ x: Float32Array.of(1, 0.5), picture: Uint8Array.of(1, 2, 3), w: "a", n: 5 });
  assert.deepEqual({ ...found, response: 0 }, { y: 1.5, response_: "r", v: [1, 2], big: "12345678901234567890", response: 0 });
  assert.equal(found.response.computation_time_ms, 1);
  assert.deepEqual(JSON.parse(seen[1].body), { input_type: "tabular", data: { x: [1, 0.5], picture: "AQID", n: 5, w: "a" } });
  await typed.predict({ x: [1, 2] });
  assert.deepEqual(asked(), ["info", "predict", "predict"]);
});

test("what the model would not take is not sent", async (t) => {
  const { typed, seen } = await model(t);
  const x = [1, 2];
  for (const [inputs, type, why] of [
    [{}, TypeError, /x: is required/], [{ x: null }, TypeError, /required/], [{ x: [1] }, RangeError, /1 elements, not 2/],
    [{ x: [1, NaN] }, TypeError, /x: is not of type/], [{ x: [1, "2"] }, TypeError, /type/], [{ x: "12" }, TypeError, /type/],
    [{ x, words: ["a", 1] }, TypeError, /words/], [{ x, picture: new Uint8Array(4) }, RangeError, /4 bytes, at most 3/],
    [{ x, picture: "\u00e4\u00e4" }, RangeError, /4 bytes/], [{ x, more: [1] }, TypeError, /more/], [{ x, n: 1.5 }, TypeError, /n:/],
    [{ x, n: 0 }, RangeError, /below 1/], [{ x, n: 6 }, RangeError, /above 5/], [{ x, f: Infinity }, TypeError, /f:/],
    [{ x, b: 1 }, TypeError, /b:/], [{ x, w: "c" }, RangeError, /none of a, b/], [{ x, z: 1 }, TypeError, /z: M does not take it/],
    [{ x, toString: 1 }, TypeError, /toString/]]) {
    const problem = await failure(typed.predict(inputs));
    assert.equal(problem.constructor, type, String(problem));
    assert.match(problem.message, why);
  }
  assert.equal(seen.length, 0);
});

test("another bundle is MODEL_CHANGED, and nothing is predicted", async (t) => {
  const { typed, asked } = await model(t, { info: { ...KNOWN, bundle_digest: OTHER } });
  for (let i = 0; i < 2; i++) {
    const problem = await failure(typed.predict({ x: [1, 2] }));
    assert.ok(problem instanceof ModelChangedError);
    assert.equal(problem.code, "MODEL_CHANGED");
  }
  assert.deepEqual(asked(), ["info", "info"]);
});

test("a server without digests is compared by name, version and outputs", async (t) => {
  const good = await model(t, { info: INFO });
  for (let i = 0; i < 2; i++) assert.equal((await good.typed.predict({ x: [1, 2] })).y, 1.5);
  assert.deepEqual(good.asked(), ["info", "capabilities", "predict", "predict"]);
  const { big: _, ...less } = SCHEMA;
  for (const other of [{ name: "N" }, { info: { ...INFO, model_version: "2" } }, { types: ["text"] }, { schema: less },
    { schema: { ...SCHEMA, z: "float" } }, { schema: { ...SCHEMA, y: "string" } }, { schema: { ...less, large: "float" } }]) {
    const { typed } = await model(t, { info: INFO, ...other });
    assert.ok((await failure(typed.predict({ x: [1, 2] }))) instanceof ModelChangedError, JSON.stringify(other));
  }
});

test("a server that starts is asked again until it knows its digest", async (t) => {
  const { typed, said, asked } = await model(t, { info: { ...INFO, documents_digest: DIGEST } });
  await typed.predict({ x: [1, 2] });
  said.info = KNOWN;
  await typed.predict({ x: [1, 2] });
  await typed.predict({ x: [1, 2] });
  assert.deepEqual(asked(), ["info", "capabilities", "predict", "info", "predict", "predict"]);
  const other = await model(t, { info: { ...INFO, documents_digest: DIGEST } });
  await other.typed.predict({ x: [1, 2] });
  other.said.info = { ...KNOWN, bundle_digest: OTHER };
  assert.ok((await failure(other.typed.predict({ x: [1, 2] }))) instanceof ModelChangedError);
});

test("an answer of another model, or without what was declared, is no answer", async (t) => {
  const { typed } = await model(t, { headers: { "x-model-digest": OTHER } });
  assert.match((await failure(typed.predict({ x: [1, 2] }))).message, /the answer is of the model sha256:2/);
  const { y: _, ...less } = RESULTS;
  for (const results of [less, { ...RESULTS, y: "1.5" }, { ...RESULTS, v: [1] }, { ...RESULTS, v: [1, "2"] }, { ...RESULTS, big: 1 }]) {
    const { typed: one } = await model(t, { answer: { ...GOOD, results } });
    assert.ok((await failure(one.predict({ x: [1, 2] }))) instanceof ModelChangedError, JSON.stringify(results));
  }
});

test("a declined input is the error it says", async (t) => {
  const declined = { ...GOOD, success: false, results: {}, error_message: "why", error_code: "OUT_OF_DOMAIN" };
  const { typed, said } = await model(t, { answer: declined });
  const problem = await failure(typed.predict({ x: [1, 2] }));
  assert.deepEqual([problem.constructor, problem.message], [errors.OutOfDomainError, "OUT_OF_DOMAIN: why"]);
  said.answer = { ...declined, error_code: "NEW_ONE" };
  assert.equal((await failure(typed.predict({ x: [1, 2] }))).code, "NEW_ONE");
});
