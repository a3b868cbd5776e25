/*
 * Calls from eight loops until told to stop by a line on stdin; counts.
 *
 *   node load.js SCHEME REGISTRY MODEL
 */
const [scheme, registry, name] = process.argv.slice(2);
const { answerOf, Client } = await import(scheme === "grpc" ? "specserve/grpc" : "specserve");
let attempts = 0;
const client = new Client({ registry, scheme, refreshMs: 500, observe: () => attempts++ });
const model = client.model(name);
const used = new Set();
let calls = 0, failed = 0, going = true;
process.stdin.once("data", () => {
  going = false;
});
console.log("started");
await Promise.all(Array.from({ length: 8 }, async () => {
  while (going) {
    calls++;
    try {
      used.add(answerOf(await model.predict({ input_type: "text", data: { text: "CCO" } })).endpoint);
      if (calls === 200) console.log("busy");
    } catch (problem) {
      failed++;
      console.log(String(problem));
    }
  }
}));
console.log(JSON.stringify({ calls, failed, used: used.size, retries: attempts - calls }));
client.close();
process.exit();
