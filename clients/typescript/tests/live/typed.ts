/*
 * Classes that `specgen model-client` wrote, against servers of their bundles.
 *
 *   node typed.js SCHEME SOLUBILITY-PORT SENTENCES-PORT REFERENCE-JSON
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { errors } from "specserve";
import { Sentences } from "./sentences.js";
import { Solubility, type SolubilityResult } from "./solubility.js";

const [scheme, port, textPort, reference] = process.argv.slice(2);
const { Client } = scheme === "grpc" ? await import("specserve/grpc") : await import("specserve");
const client = new Client({ endpoints: `${scheme}://127.0.0.1:${port}` });
const model = new Solubility(client);

const found: SolubilityResult = await model.predict({ text: "CCO", property: "LogS" }, { requestId: "typed-1" });
assert.ok(Math.abs(found.LogS - 1.0049) < 1e-3);
assert.ok(found.LogS_low < found.LogS && found.LogS < found.LogS_high);
assert.deepEqual([found.LogS_range, found.smiles, found.response.success], ["trained", "CCO", true]);
await assert.rejects(model.predict({ text: "no!" }), errors.InvalidInputError);

const before = (await client.model().metrics()).requests_served;
// @ts-expect-error it is required
await assert.rejects(model.predict({}), /text: is required/);
// @ts-expect-error it is a text
await assert.rejects(model.predict({ text: 3 }), /text: is not of type text/);
// @ts-expect-error none of its values
await assert.rejects(model.predict({ text: "C", property: "x" }), /property: is none of LogS/);
// @ts-expect-error there is no such input
await assert.rejects(model.predict({ text: "C", propery: "LogS" }), /propery: Solubility does not take it/);
// @ts-expect-error absent is not undefined
assert.equal((await model.predict({ text: "C", property: undefined })).smiles, "C");
await assert.rejects(model.predict({ text: "C".repeat(2049) }), /has 2049 bytes, at most 2048/);
assert.equal((await client.model().metrics()).requests_served, before + 1);

interface Row { readonly text: string; readonly mean: readonly number[] }
const rows = JSON.parse(readFileSync(String(reference), "utf8")) as { readonly sentences: readonly Row[] };
const texts = new Client({ endpoints: `${scheme}://127.0.0.1:${textPort}` });
for (const { text, mean } of rows.sentences.slice(0, 3)) {
  const { embedding } = await new Sentences(texts).predict({ text });
  assert.equal(embedding.length, mean.length);
  embedding.forEach((value, i) => assert.ok(Math.abs(value - Number(mean[i])) < 2e-6));
}
client.close();
texts.close();
console.log("done");
