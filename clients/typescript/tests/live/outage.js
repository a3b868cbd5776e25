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
let stream = "";
if (scheme === "grpc") { // what happens to a stream meanwhile
  const watched = client.registry.watch();
  await watched.next();
  stream = watched.next().then(() => "more", (problem) => problem.code);
}
await say(name, 20_000);
for await (const line of createInterface({ input: process.stdin })) await say(line || name, 20_000);
console.log(`stream ${await stream}`);
client.close();
process.exit();
