/*
 * Messages as protobuf, by the generated tables. Both directions walk the same
 * rows as JSON does, so an API has one set of types whatever carries it.
 *
 * Fields of a later version are kept as bytes under a symbol of the object, and
 * written again with it; enum values of a later version are their digits.
 */
import { BIG, complete, enumName, type Field, type Integer, isObject, type Kind, listOf, Mismatch, put, type Types,
  writeJson } from "./message.js";
import { BLOCK, FIXED32, FIXED64, Reader, toInt32, toInteger, toUint32, VARINT, Writer } from "./wire.js";

/** Bytes of the fields that these types do not know. */
export const UNKNOWN = Symbol.for("specserve.unknownFields");

type Fields = Record<string, unknown>;

const DEPTH = 64;
const WIRES: Readonly<Partial<Record<Kind, number>>> = { bool: VARINT, i32: VARINT, u32: VARINT, i64: VARINT,
  u64: VARINT, enum: VARINT, f32: FIXED32, f64: FIXED64 };

const wireOf = (kind: Kind): number => WIRES[kind] ?? BLOCK;

// ---- writing ----

const LIMITS: Readonly<Partial<Record<Kind, readonly [bigint, bigint]>>> = {
  i32: [-(2n ** 31n), 2n ** 31n - 1n], u32: [0n, 2n ** 32n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n], u64: [0n, 2n ** 64n - 1n],
};

function integerOf(kind: Kind, value: unknown, key: string): Integer {
  if (typeof value !== "bigint" && !Number.isSafeInteger(value))
    throw new TypeError(`${key}: is no integer that is exact`);
  const given = value as Integer;
  const [least, most] = LIMITS[kind] ?? [0n, 0n];
  if (given < least || given > most) throw new TypeError(`${key}: ${given} does not fit ${kind}`);
  return given;
}

function enumNumber(types: Types, type: string, value: unknown, key: string): number {
  const known = types.enums[type] ?? {};
  const number = Object.hasOwn(known, String(value)) ? known[String(value)] : Number(value || NaN);
  if (number === undefined || !Number.isInteger(number)) throw new TypeError(`${key}: '${value}' is not a ${type}`);
  return number;
}

function expect<T>(value: unknown, type: "boolean" | "number" | "string", key: string): T {
  if (typeof value !== type) throw new TypeError(`${key}: is not a ${type}`);
  return value as T;
}

function timestamp(text: string, key: string): Uint8Array {
  const ms = Date.parse(text);
  if (!Number.isFinite(ms)) throw new TypeError(`${key}: is not a time`);
  const seconds = Math.floor(ms / 1000);
  const nanos = Number(`${/\.(\d{1,9})/.exec(text)?.[1] ?? "0"}000000000`.slice(0, 9));
  const to = new Writer();
  to.tag(1, VARINT);
  to.varint(seconds);
  to.tag(2, VARINT);
  to.varint(nanos);
  return to.finish();
}

/** A value that is a block of bytes. */
function blockOf(types: Types, [key, , kind, , , type]: Field, value: unknown): Uint8Array {
  if (kind === "msg") return encode(types, type, value);
  if (kind === "union") return encodeUnion(types, type, value, key);
  if (kind === "time") return timestamp(expect(value, "string", key), key);
  if (kind === "bytes") {
    if (value instanceof Uint8Array) return value;
    throw new TypeError(`${key}: is not a Uint8Array`);
  }
  return new TextEncoder().encode(kind === "json" ? writeJson(value) : expect(value, "string", key));
}

/** A number, without its tag. */
function writeNumber(to: Writer, types: Types, [key, , kind, , , type]: Field, value: unknown): void {
  if (kind === "f32") to.float(expect(value, "number", key));
  else if (kind === "f64") to.double(expect(value, "number", key));
  else if (kind === "bool") to.varint(expect<boolean>(value, "boolean", key) ? 1 : 0);
  else if (kind === "enum") to.varint(enumNumber(types, type, value, key));
  else to.varint(integerOf(kind, value, key));
}

function writeOne(to: Writer, types: Types, field: Field, value: unknown): void {
  const wire = wireOf(field[2]);
  if (wire === BLOCK) return to.block(field[1], blockOf(types, field, value));
  to.tag(field[1], wire);
  writeNumber(to, types, field, value);
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof Uint8Array));
}

function writeList(to: Writer, types: Types, field: Field, value: unknown): void {
  if (!isList(value)) throw new TypeError(`${field[0]}: is not a list`);
  if (wireOf(field[2]) === BLOCK) {
    for (let i = 0; i < value.length; i++) writeOne(to, types, field, value[i]);
    return;
  }
  const packed = new Writer();
  for (let i = 0; i < value.length; i++) writeNumber(packed, types, field, value[i]);
  if (value.length) to.block(field[1], packed.finish());
}

function writeMap(to: Writer, types: Types, field: Field, value: unknown): void {
  if (!isObject(value)) throw new TypeError(`${field[0]}: is not an object`);
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const entry = new Writer();
    entry.block(1, new TextEncoder().encode(key));
    writeOne(entry, types, [key, 2, field[2], "one", 0, field[5]], item);
    to.block(field[1], entry.finish());
  }
}

function fits(types: Types, field: Field, value: unknown): boolean {
  const [, , kind, , , type] = field;
  const inner = listOf(types, field);
  if (inner)
    return isList(value) && value.length > 0 && Array.prototype.every.call(value, (item) => fits(types, inner, item));
  switch (kind) {
    case "msg": return isObject(value) && !ArrayBuffer.isView(value);
    case "union": return (types.messages[type] ?? []).some((row) => fits(types, row, value));
    case "bytes": return value instanceof Uint8Array;
    case "str": return typeof value === "string";
    case "bool": return typeof value === "boolean";
    case "json": return true;
    case "f32": case "f64": return typeof value === "number";
    default: return Number.isSafeInteger(value);
  }
}

/** The bare value in the first alternative that takes it. */
function encodeUnion(types: Types, name: string, value: unknown, key: string): Uint8Array {
  const to = new Writer();
  const rows = types.messages[name] ?? [];
  const empty = isList(value) && !value.length;
  const row = rows.find((field) => field[2] !== "json" && fits(types, field, value)) ??
    rows.find(([, , kind]) => kind === "json") ?? rows.find((field) => empty && listOf(types, field));
  if (!row) throw new TypeError(`${key}: is none of ${name}`);
  const inner = listOf(types, row);
  if (inner) to.block(row[1], encode(types, row[5], { [inner[0]]: value }));
  else writeOne(to, types, row, value);
  return to.finish();
}

function rowOf(types: Types, name: string, key: string): Field {
  const row = (types.messages[name] ?? []).find(([known]) => known === key);
  if (!row) throw new TypeError(`${name} has no '${key}'`);
  return row;
}

/** The message as bytes; TypeError if it is none. */
export function encode(types: Types, name: string, value: unknown): Uint8Array {
  if (!isObject(value)) throw new TypeError(`${name}: is not an object`);
  const to = new Writer();
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined || item === null) continue;
    const row = rowOf(types, name, key);
    (row[3] === "one" ? writeOne : row[3] === "list" ? writeList : writeMap)(to, types, row, item);
  }
  const unknown = (value as { [UNKNOWN]?: unknown })[UNKNOWN];
  if (unknown instanceof Uint8Array) to.raw(unknown);
  return to.finish();
}

// ---- reading ----

interface Source {
  readonly types: Types;
  readonly reader: Reader;
  readonly at: string;
  readonly depth: number;
}

function inside(from: Source, at: string): Source {
  if (from.depth >= DEPTH) throw new Mismatch(`${at} is nested too deeply`);
  return { types: from.types, reader: new Reader(from.reader.block()), at, depth: from.depth + 1 };
}

function textOf(bytes: Uint8Array, at: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Mismatch(`${at} is not UTF-8`);
  }
}

function jsonOf(text: string, at: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Mismatch(`${at} is not JSON`);
  }
}

function timeOf(from: Source): string {
  let seconds = 0, nanos = 0;
  while (!from.reader.done) {
    const [number, wire] = from.reader.tag();
    if (wire !== VARINT) from.reader.skip(wire);
    else if (number === 1) seconds = Number(toInteger(from.reader.varint(), true));
    else if (number === 2) nanos = toInt32(from.reader.varint());
    else from.reader.skip(wire);
  }
  const whole = new Date(seconds * 1000);
  if (Number.isNaN(whole.getTime())) throw new Mismatch(`${from.at} is not a time`);
  const part = String(nanos).padStart(9, "0").replace(/(000){1,3}$/, "");
  return whole.toISOString().replace(/\.000Z$/, part ? `.${part}Z` : "Z");
}

function readInteger(from: Source, kind: Kind, flags: number): Integer {
  const value = toInteger(from.reader.varint(), kind === "i64");
  if (typeof value === "bigint" && !(flags & BIG)) throw new Mismatch(`${from.at} is beyond 2^53`);
  return value;
}

function readOne(from: Source, [, , kind, , flags, type]: Field): unknown {
  const { reader, types, at } = from;
  switch (kind) {
    case "bool": return Number(reader.varint()) !== 0;
    case "i32": return toInt32(reader.varint());
    case "u32": return toUint32(reader.varint());
    case "enum": return enumName(types, type, toInt32(reader.varint()));
    case "i64": case "u64": return readInteger(from, kind, flags);
    case "f32": return reader.float();
    case "f64": return reader.double();
    case "bytes": return reader.block().slice();
    case "str": return textOf(reader.block(), at);
    case "json": return jsonOf(textOf(reader.block(), at), at);
    case "time": return timeOf(inside(from, at));
    case "union": return readUnion(inside(from, at), type);
    case "msg": return readMessage(inside(from, at), type, {});
  }
}

function fieldsOf(rows: readonly Field[]): ReadonlyMap<number, Field> {
  const known = NUMBERS.get(rows) ?? new Map(rows.map((row) => [row[1], row]));
  NUMBERS.set(rows, known);
  return known;
}
const NUMBERS = new WeakMap<readonly Field[], ReadonlyMap<number, Field>>();

/** The bare value of the last alternative that came; null: none did. */
function readUnion(from: Source, name: string): unknown {
  const { reader, types } = from;
  const rows = fieldsOf(types.messages[name] ?? []);
  let value: unknown = null;
  while (!reader.done) {
    const [number, wire] = reader.tag();
    const row = rows.get(number);
    if (!row || wireOf(row[2]) !== wire) {
      reader.skip(wire);
      continue;
    }
    value = readOne(from, row);
    const inner = listOf(types, row);
    if (inner) value = (value as Fields)[inner[0]];
  }
  return value;
}

function readEntry(from: Source, field: Field, into: Fields): void {
  const { reader } = from;
  const row: Field = ["", 2, field[2], "one", field[4], field[5]];
  let key = "";
  let value: unknown;
  while (!reader.done) {
    const [number, wire] = reader.tag();
    if (number === 1 && wire === BLOCK) key = textOf(reader.block(), from.at);
    else if (number === 2 && wire === wireOf(field[2])) value = readOne({ ...from, at: `${from.at}/${key}` }, row);
    else reader.skip(wire);
  }
  put(into, key, value === undefined ? absent(from.types, field) : value);
}

/** The value of an entry that has none. */
function absent(types: Types, [, , kind, , , type]: Field): unknown {
  const whole = { messages: { Entry: [["v", 1, kind, "one", 4, type]] as const }, enums: types.enums };
  const entry: Fields = {};
  if (kind === "msg") return readMessage({ types, reader: new Reader(new Uint8Array(0)), at: "", depth: 0 }, type, entry);
  if (kind === "union" || kind === "json") return null;
  complete(whole, "Entry", entry, "");
  return entry["v"];
}

function readList(from: Source, row: Field, wire: number, list: unknown[]): void {
  if (wire !== BLOCK || wireOf(row[2]) === BLOCK) {
    list.push(readOne({ ...from, at: `${from.at}/${list.length}` }, row));
    return;
  }
  const packed = { ...from, reader: new Reader(from.reader.block()) };
  while (!packed.reader.done) list.push(readOne(packed, row));
}

function readField(from: Source, row: Field, wire: number, into: Fields): void {
  const [key, , kind, card, , type] = row;
  const here = { ...from, at: `${from.at}/${key}` };
  if (card === "map") readEntry(inside(here, here.at), row, (into[key] ??= {}) as Fields);
  else if (card === "list") readList(here, row, wire, (into[key] ??= []) as unknown[]);
  else if (kind === "msg") into[key] = readMessage(inside(here, here.at), type, (into[key] ?? {}) as Fields);
  else into[key] = readOne(here, row);
}

function takes([, , kind, card]: Field, wire: number): boolean {
  return wire === (card === "map" ? BLOCK : wireOf(kind)) || (card === "list" && wire === BLOCK);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const to = new Writer();
  for (const part of parts) to.raw(part);
  return to.finish();
}

/** Adds what came to `into`; completes it. */
function readMessage(from: Source, name: string, into: Fields): Fields {
  const { reader, types } = from;
  const rows = fieldsOf(types.messages[name] ?? []);
  const before = (into as { [UNKNOWN]?: Uint8Array })[UNKNOWN];
  const unknown: Uint8Array[] = before ? [before] : [];
  while (!reader.done) {
    const start = reader.at;
    const [number, wire] = reader.tag();
    const row = rows.get(number);
    if (row && takes(row, wire)) {
      readField(from, row, wire, into);
      continue;
    }
    reader.skip(wire);
    unknown.push(reader.bytes.slice(start, reader.at));
  }
  if (unknown.length) (into as { [UNKNOWN]?: Uint8Array })[UNKNOWN] = join(unknown);
  complete(types, name, into, from.at);
  return into;
}

/** The message of these bytes; Mismatch if they are none. */
export function decode(types: Types, name: string, bytes: Uint8Array): object {
  return readMessage({ types, reader: new Reader(bytes), at: "", depth: 0 }, name, {});
}
