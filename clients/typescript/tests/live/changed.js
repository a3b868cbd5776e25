/*
 * A typed client and a server that may have another model: prints what a call gives.
 *
 *   node changed.js MODULE CLASS JSON-INPUTS URL
 */
import { Client } from "specserve";

const [module, name, inputs, url] = process.argv.slice(2);
const model = new (await import(`./${module}.js`))[name](new Client({ endpoints: url }));
const ask = () => model.predict(JSON.parse(inputs)).then(() => "answered", (problem) => problem.message);
console.log(await ask());
for await (const _ of process.stdin) console.log(await ask()); // the same client once more for each line
