/*
 * Messages: the generated tables, and JSON held against them.
 *
 * A reply stays the object that JSON.parse made, so keys and enum values of
 * later versions survive. What the tables promise is checked, absent lists and
 * maps become empty, and base64 becomes bytes. proto.ts does the same for
 * protobuf.
 */

export type Kind = "bool" | "i32" | "u32" | "i64" | "u64" | "f32" | "f64" | "str" | "bytes" | "json" | "time" |
  "enum" | "msg" | "union";

/** Its key, number on the wire, kind, cardinality, flags; the message, union or enum it is. */
export type Field = readonly [key: string, number: number, kind: Kind, card: "one" | "list" | "map",
  flags: number, type: string];

/** It has to be there; null when it is not; there in every reply; beyond 2^53. */
export const REQUIRED = 1, NULLED = 2, PLAIN = 4, BIG = 8;

/** The messages and enums of one API; the fields of a union are its alternatives. */
export interface Types {
  readonly messages: Readonly<Record<string, readonly Field[]>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Integers of 64 bits: a bigint only where a number would not be exact. */
export type Integer = number | bigint;

/** What is wrong with an answer. */
export class Mismatch extends Error {}

type Fields = Record<string, unknown>;

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Sets a key that came from outside, "__proto__" too. */
export function put(to: Fields, key: string, value: unknown): void {
  if (key !== "__proto__") to[key] = value;
  else Object.defineProperty(to, key, { value, enumerable: true, configurable: true, writable: true });
}

const ZEROS: Readonly<Partial<Record<Kind, unknown>>> = { bool: false, str: "", bytes: new Uint8Array(0) };

/** Completes a message that was read: what is absent, or why it must not be. */
export function complete(types: Types, name: string, value: Fields, at: string): void {
  for (const [key, , kind, card, flags, type] of types.messages[name] ?? []) {
    if (Object.hasOwn(value, key) && value[key] !== undefined && value[key] !== null) continue;
    if (card !== "one") value[key] = card === "list" ? [] : {};
    else if (flags & REQUIRED) throw new Mismatch(`${at}/${key} is missing`);
    else if (flags & NULLED) value[key] = null;
    else if (flags & PLAIN) value[key] = kind === "enum" ? enumName(types, type, 0) : ZEROS[kind] ?? 0;
  }
}

/** A number that the enum does not have yet is its digits. */
export function enumName(types: Types, type: string, number: number): string {
  const found = Object.entries(types.enums[type] ?? {}).find(([, known]) => known === number);
  return found ? found[0] : String(number);
}

// ---- from JSON ----

function fromBase64(text: unknown): Uint8Array {
  if (typeof text !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4)
    throw new Mismatch("not base64");
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function readScalar(kind: Kind, value: unknown, at: string): unknown {
  if (kind === "json") return value;
  if (kind === "bytes")
    try {
      return fromBase64(value);
    } catch {
      throw new Mismatch(`${at} is not base64`);
    }
  const isInteger = /^[iu]/.test(kind);
  const wanted = kind === "bool" ? "boolean" : isInteger || kind[0] === "f" ? "number" : "string";
  if (typeof value !== wanted || (isInteger && !Number.isInteger(value)))
    throw new Mismatch(`${at} is not of type ${kind}`);
  return value;
}

/** What an alternative of a union lists, if it is a list: a message on the wire, bare otherwise. */
export function listOf(types: Types, [, , kind, , , type]: Field): Field | undefined {
  const rows = kind === "msg" ? types.messages[type] ?? [] : [];
  return rows.length === 1 && rows[0]?.[3] === "list" ? rows[0] : undefined;
}

/** The first alternative that takes the value. */
function readUnion(types: Types, name: string, value: unknown, at: string): unknown {
  for (const row of types.messages[name] ?? []) {
    try {
      return readField(types, listOf(types, row) ?? row, value, at);
    } catch (problem) {
      if (!(problem instanceof Mismatch)) throw problem;
    }
  }
  throw new Mismatch(`${at} is none of ${name}`);
}

function readValue(types: Types, [, , kind, , , type]: Field, value: unknown, at: string): unknown {
  if (kind === "msg") return readJson(types, type, value, at);
  return kind === "union" ? readUnion(types, type, value, at) : readScalar(kind, value, at);
}

function readField(types: Types, field: Field, value: unknown, at: string): unknown {
  const card = field[3];
  if (card === "one") return readValue(types, field, value, at);
  if (card === "list" ? !Array.isArray(value) : !isObject(value))
    throw new Mismatch(`${at} is not a ${card}`);
  const items = value as Fields;
  for (const [key, item] of Object.entries(items)) {
    const read = readValue(types, field, item, `${at}/${key}`);
    if (read !== item) put(items, key, read);
  }
  return items;
}

/** `value` as the message it is; Mismatch if it is not. */
export function readJson(types: Types, name: string, value: unknown, at = ""): object {
  if (!isObject(value)) throw new Mismatch(`${at || "the answer"} is not an object`);
  for (const field of types.messages[name] ?? []) {
    const key = field[0];
    const item = Object.hasOwn(value, key) ? value[key] : undefined;
    if (item === undefined || item === null) {
      if (field[4] & REQUIRED) throw new Mismatch(`${at}/${key} is missing`);
      continue;
    }
    value[key] = readField(types, field, item, `${at}/${key}`);
  }
  complete(types, name, value, at);
  return value;
}

// ---- to JSON ----

function toBase64(bytes: Uint8Array): string {
  let letters = "";
  for (let at = 0; at < bytes.length; at += 8192)
    letters += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(letters);
}

function plain(this: Fields, key: string, value: unknown): unknown {
  const given = this[key]; // before any toJSON()
  if (given instanceof Uint8Array) return toBase64(given);
  if (ArrayBuffer.isView(given)) return Array.from(given as unknown as ArrayLike<unknown>);
  if (typeof given === "bigint" && Number.isSafeInteger(Number(given))) return Number(given);
  if (typeof given === "number" && !Number.isFinite(given)) throw new TypeError(`${key}: ${given} has no JSON`);
  return value;
}

/** JSON of a request: bytes as base64, typed arrays as lists. */
export function writeJson(value: unknown): string {
  return JSON.stringify(value, plain);
}
