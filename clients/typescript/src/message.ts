/*
 * Checks replies against the generated tables. A reply stays the object that
 * JSON.parse made, so keys and enum values of later versions survive; lists
 * and maps that are absent become empty.
 */

/** key, kind, cardinality, required, name of the message or union. */
export type Field = readonly [string, string, "one" | "list" | "map", boolean, string];
/** The messages of one API; a union's fields are its alternatives. */
export type Messages = Readonly<Record<string, readonly Field[]>>;

/** What is wrong with an answer. */
export class Mismatch extends Error {}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkScalar(kind: string, value: unknown, at: string): void {
  const wanted = kind === "bool" ? "boolean" : kind === "int" || kind === "number" ? "number" : "string";
  if (kind === "json") return;
  if (typeof value !== wanted || (kind === "int" && !Number.isInteger(value)))
    throw new Mismatch(`${at} is not a ${kind}`);
}

function matches(messages: Messages, field: Field, value: unknown): boolean {
  try {
    checkField(messages, field, value, "");
    return true;
  } catch (problem) {
    if (problem instanceof Mismatch) return false;
    throw problem;
  }
}

function checkValue(messages: Messages, field: Field, value: unknown, at: string): void {
  const [, kind, , , name] = field;
  if (kind === "message") checkMessage(messages, name, value, at);
  else if (kind !== "union") checkScalar(kind, value, at);
  else if (!(messages[name] ?? []).some((row) => matches(messages, row, value)))
    throw new Mismatch(`${at} is none of ${name}`);
}

function checkField(messages: Messages, field: Field, value: unknown, at: string): void {
  const card = field[2];
  if (card === "one") return checkValue(messages, field, value, at);
  if (card === "list" ? !Array.isArray(value) : !isObject(value))
    throw new Mismatch(`${at} is not a ${card}`);
  for (const [key, item] of Object.entries(value as object))
    checkValue(messages, field, item, `${at}/${key}`);
}

/** Throws Mismatch unless `value` is the message; fills in empty lists and maps. */
export function checkMessage(messages: Messages, name: string, value: unknown, at = ""): void {
  if (!isObject(value)) throw new Mismatch(`${at || "the answer"} is not an object`);
  for (const field of messages[name] ?? []) {
    const [key, , card, required] = field;
    const item = Object.hasOwn(value, key) ? value[key] : undefined;
    if (item !== undefined && item !== null) checkField(messages, field, item, `${at}/${key}`);
    else if (required && card === "one") throw new Mismatch(`${at}/${key} is missing`);
    else if (card !== "one") value[key] = card === "list" ? [] : {};
  }
}
