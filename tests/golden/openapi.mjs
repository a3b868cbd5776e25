/*
 * OpenAPI documents before a second validator; golden.openapi asks the first.
 *
 *   node openapi.mjs FILE...
 *
 * So that a validator that says yes to everything is found out, each document is
 * broken in several ways, too, and must be refused then.
 */
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";

const first = (object) => Object.values(object)[0];
const BREAKS = {
  "no title": (doc) => delete doc.info.title,
  "a version that does not exist": (doc) => (doc.openapi = "4.0.0"),
  "a path that does not begin with /": (doc) => (doc.paths["x"] = first(doc.paths)),
  "a response without description": (doc) => delete first(first(first(doc.paths)).responses).description,
  "a parameter nowhere": (doc) => (first(doc.paths).parameters = [{ name: "x", in: "nowhere", schema: {} }]),
  "a reference to nothing": (doc) => (first(first(doc.paths)).responses["200"] = { $ref: "#/components/responses/none" }),
  "a schema that is a text": (doc) => (doc.components = { ...doc.components, schemas: { X: "text" } }),
};

async function refusal(document) {
  const { valid, errors } = await new Validator().validate(document);
  return valid ? undefined : errors;
}

let failures = 0;
const say = (text) => {
  failures++;
  console.error(text);
};
for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, "utf8");
  const errors = await refusal(JSON.parse(text));
  if (errors) say(`${file}: ${JSON.stringify(errors, null, 1)}`);
  for (const [name, edit] of Object.entries(BREAKS)) {
    const broken = JSON.parse(text);
    edit(broken);
    if (!(await refusal(broken))) say(`${file}: accepted with ${name}`);
  }
}
console.log(`${process.argv.length - 2} documents, ${failures} failures`);
process.exitCode = failures || process.argv.length < 3 ? 1 : 0;
