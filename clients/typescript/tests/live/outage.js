/*
 * The registry goes away: lines on stdin say when, lines on stdout what came of it.
 *
 *   node outage.js SCHEME REGISTRY MODEL
 */
import { createInterface } from "node:readline";

const [scheme, registry, name] = process.argv.slice(2);
const { Client } = await import(scheme === "grpc" ? "specserve/grpc" : "specserve");
const client = new Client({ registry, scheme, refreshMs: 50 });
const say = async (model, timeoutMs) => {
  const start = performance.now();
  const word = await client.model(model).health({}, { timeoutMs }).then((reply) => reply.status, (problem) => problem.code);
  console.log(`${word} ${performance.now() - start < 1000 ? "soon" : "late"}`);
};
await say(name, 20_000);
for await (const line of createInterface({ input: process.stdin })) await say(line || name, 20_000);
client.close();
process.exit();
