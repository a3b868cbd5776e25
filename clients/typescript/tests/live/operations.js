/*
 * Every operation of live programs, over one protocol.
 *
 *   node operations.js SCHEME REGISTRY-PORT SERVER-PORT MODEL TEXT-PORT
 *
 * TEXT-PORT is that of a server with an embedding bundle.
 */
import assert from "node:assert/strict";

const [scheme, registryPort, port, name, textPort] = process.argv.slice(2);
const { answerOf, Client, errors, health, oip, registry, text } =
  await import(scheme === "grpc" ? "specserve/grpc" : "specserve");
const at = (where) => `${scheme}://127.0.0.1:${where}`;
const failure = (promise) => promise.then(() => assert.fail("no error"), (problem) => problem);

const found = new Client({ registry: at(registryPort), scheme });
const client = new Client({ endpoints: at(port) });
for (const model of [found.model(name), client.model()]) {
  assert.equal((await model.health()).status, "ok");
  assert.equal((await model.capabilities()).capabilities[0].name, "regression");
  assert.equal((await model.acceptableRanges()).property_ranges.LogS.unit, "log10(mol/L)");
  const answer = await model.predict({ input_type: "text", data: { text: "CCO" } });
  assert.equal(answerOf(answer).protocol, scheme === "grpc" ? "grpc" : "rest");
  assert.ok(Math.abs(answer.results.LogS - 1.0049) < 1e-3);
  assert.equal(answer.results.smiles, "CCO");
  assert.equal(answer.error_message, null);
  const declined = await model.predict({ input_type: "text", data: { text: "no!" } });
  assert.deepEqual([declined.success, declined.error_code], [false, "INVALID_INPUT"]);
  assert.equal((await model.info()).license, "Apache-2.0");
  assert.ok((await model.metrics()).requests_served > 0);
  assert.match((await model.citation()).paper_citation, /AqSolDB/);
  assert.equal((await model.testExamples()).examples[0].name, "Ethanol");
  assert.match(new TextDecoder().decode(await model.openapi()), /openapi/);
  await assert.rejects(model.shutdown(), errors.ShutdownDisabledError);
}

// ids and late calls
const options = { requestId: "order-7" };
assert.equal(answerOf(await client.model().health({}, options)).headers.get("x-request-id"), "order-7");
const refused = await failure(client.model().predict({ input_type: "none", data: {} }, options));
assert.deepEqual([refused.constructor, refused.requestId], [errors.UnsupportedInputTypeError, "order-7"]);
assert.ok((await failure(client.model().health({}, { timeoutMs: 1e-3 }))) instanceof errors.TimeoutError);

// anything else
const page = await client.raw("GET", "/metrics", { headers: { Accept: "text/plain" } });
assert.match(new TextDecoder().decode(page.body), /# HELP/);
await assert.rejects(client.raw("GET", "/nosuch"), errors.NotFoundError);
await assert.rejects(found.model("nosuch").health(), errors.NotFoundError);

// the registry
const api = found.registry;
assert.equal((await api.status()).status, "ok");
const given = await api.register({ app_name: "t", app_version: "1.2.0", model_name: "other", process_id: process.pid,
  metadata: { a: { b: [1, null] } } });
const { assigned_port: mine, registration_id: proof } = given;
assert.equal((await api.heartbeat({ port: mine })).port, mine);
const [instance] = (await api.resolve({ model_name: "other" })).instances;
assert.deepEqual([instance.metadata, instance.process_id], [{ a: { b: [1, null] } }, process.pid]);
assert.ok((await api.list()).registrations.some((row) => row.port === mine));
await assert.rejects(api.unregister({ port: mine, registration_id: "no" }), errors.RegistrationMismatchError);
await api.unregister({ port: mine, registration_id: proof });
await assert.rejects(api.resolve({ model_name: "other" }), errors.NotFoundError);
await assert.rejects(api.heartbeat({ port: 1 }), errors.NotFoundError);
assert.match(new TextDecoder().decode(await api.openapi()), /openapi/);

// texts
const texts = new Client({ endpoints: at(textPort) });
const embedded = await texts.service(text.TextModel).embeddings({ input: ["a text", "another"], model: "Sentences" });
assert.equal(embedded.data.length, 2);
assert.ok(embedded.data[0].embedding.every(Number.isFinite));
const packed = await texts.service(text.TextModel).embeddings({ input: "a text", encoding_format: "base64" });
assert.ok(packed.data[0].embedding instanceof Uint8Array);
assert.equal(new DataView(packed.data[0].embedding.buffer, packed.data[0].embedding.byteOffset).getFloat32(0, true),
  Math.fround(embedded.data[0].embedding[0]));

if (scheme === "grpc") {
  for await (const event of api.watch({ model_name: name })) {
    assert.deepEqual([event.kind, event.registration.model_name], ["put", name]);
    break;
  }
  const watched = api.watch({ model_name: "nobody" }, { timeoutMs: 200 });
  assert.ok((await failure(watched.next())) instanceof errors.TimeoutError);
  const checks = client.service(health.Health);
  assert.equal((await checks.check()).status, "SERVING");
  for await (const state of checks.watch()) {
    assert.equal(state.status, "SERVING");
    break;
  }
  const infer = client.service(oip.GRPCInferenceService);
  assert.equal((await infer.serverLive()).live, true);
  assert.equal((await infer.serverReady()).ready, true);
  assert.ok((await infer.serverMetadata()).extensions.length > 0);
  assert.equal((await infer.modelReady({ name })).ready, true);
  assert.equal((await infer.modelMetadata({ name })).name, name);
  assert.equal((await infer.modelConfig({ name })).config.name, name);
  assert.equal((await infer.modelStatistics({ name })).model_stats[0].name, name);
  assert.equal((await infer.repositoryIndex({})).models[0].name, name);
  const reply = await infer.modelInfer({ model_name: name, inputs: ["input_ids", "attention_mask"].map((input) => (
    { name: input, datatype: "INT64", shape: [1, 3], contents: { int64_contents: [1, 2, 1] } })) });
  assert.deepEqual([reply.outputs[0].name, reply.outputs[0].shape], ["y", [1, 3]]);
} else {
  await assert.rejects(api.watch().next(), /specserve\/grpc/);
}
for (const one of [found, client, texts]) one.close();
console.log("done");
