/* The codec of the tables against an independent one (protobufjs), on random messages. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import protobuf from "protobufjs";
import { decode, encode, UNKNOWN } from "../dist/proto.js";
import { listOf, Mismatch, readJson, writeJson } from "../dist/message.js";
import { APIS, bare } from "./support.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const root = new protobuf.Root();
for (const file of readdirSync(`${ROOT}gen/proto`, { recursive: true }))
  if (file.endsWith(".proto")) root.loadSync(`${ROOT}gen/proto/${file}`, { keepCase: true });
for (const file of ["grpc_health", "open_inference"]) root.loadSync(`${ROOT}api/foreign/${file}.proto`, { keepCase: true });

/** The messages of each API, by their names there and here. */
function* messages() {
  for (const [prefix, api] of Object.entries(APIS)) {
    const op = Object.values(api).find((one) => one?.method);
    const space = root.lookup(op.method.slice(1).split("/")[0].split(".").slice(0, -1).join("."));
    const names = new Map();
    const walk = (at, lead) => {
      for (const item of at.nestedArray) {
        if (item instanceof protobuf.Type) names.set(lead + item.name, item);
        if (item.nestedArray) walk(item, item instanceof protobuf.Type ? lead + item.name : lead);
      }
    };
    walk(space, "");
    for (const name of Object.keys(op.types.messages)) yield [prefix, op.types, name, names.get(name)];
  }
}

// ---- random messages, in pairs: as callers write them here and there ----

let state = 7;
const random = (below) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const pick = (list) => list[random(list.length)];
const many = (make, least = 0) => Array.from({ length: least + random(4) }, make);
const TEXTS = ["", "CCO", "\u00e4\u2028\ud83e\uddea", "x".repeat(200)];
const SCALARS = {
  bool: () => random(2) === 1,
  i32: () => pick([0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 300]),
  u32: () => pick([0, 1, 2 ** 32 - 1, 127, 128]),
  i64: () => pick([0, -1, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 40, 2 ** 49, 2 ** 32]),
  u64: () => pick([0, 2 ** 53 - 1, 2 ** 49 - 1, 5]),
  f32: () => pick([0, 1.5, -0.25, 2 ** -149]),
  f64: () => pick([0, 0.1, -1e300, 5e-324]),
  str: () => pick(TEXTS),
  bytes: () => Uint8Array.from(many(() => random(256))),
  json: () => pick([{ a: [1, { b: null }] }, [[]], { "": "x" }]),
};
const same = (value) => [value, value];
const unzip = (pairs) => [pairs.map(([ours]) => ours), pairs.map(([, theirs]) => theirs)];

function valueOf(types, [, , kind, , flags, type]) {
  if (kind === "enum") return pick(Object.entries(types.enums[type]));
  if (kind === "msg") return messageOf(types, type);
  if (kind === "union") return unionOf(types, type);
  const value = flags & 8 && random(3) === 0 ? (kind === "i64" ? -(2n ** 63n) : 2n ** 64n - 1n) : SCALARS[kind]();
  if (kind === "json") return [value, JSON.stringify(value)];
  return kind === "i64" || kind === "u64" ? [value, String(value)] : same(value);
}

function unionOf(types, name) {
  const row = pick(types.messages[name]);
  const inner = listOf(types, row);
  if (!inner) return fill({}, valueOf(types, row), row);
  const [ours, theirs] = unzip(many(() => valueOf(types, inner), 1));
  return [ours, { [row[0]]: { [inner[0]]: theirs } }];
}

const fill = (out, [ours, theirs], row) => [ours, { ...out, [row[0]]: theirs }];

function messageOf(types, name) {
  const ours = {}, theirs = {};
  for (const row of types.messages[name]) {
    const [key, , kind, card, flags] = row;
    const there = kind === "json" ? `${key}_json` : key;
    if (card === "list") [ours[key], theirs[there]] = unzip(many(() => valueOf(types, row)));
    else if (card === "map") {
      const entries = many(() => [pick(TEXTS), valueOf(types, row)]);
      ours[key] = Object.fromEntries(entries.map(([at, pair]) => [at, pair[0]]));
      theirs[there] = Object.fromEntries(entries.map(([at, pair]) => [at, pair[1]]));
    } else if (flags & 1 || random(3)) [ours[key], theirs[there]] = valueOf(types, row);
  }
  return [ours, theirs];
}

const AS_TEXT = { longs: String, enums: Number, bytes: String, defaults: true, oneofs: false };
const isUnion = (types, name) => Object.values(types.messages).some((rows) =>
  rows.some((row) => row[2] === "union" && row[5] === name)); // tested inside the others

for (const [prefix, types, name, other] of messages())
  if (!isUnion(types, name))
    test(`${prefix}.${name}: random messages are the same in both codecs`, () => {
      for (let i = 0; i < 40; i++) {
        const [ours, theirs] = messageOf(types, name);
        const here = encode(types, name, ours), there = other.encode(other.fromObject(theirs)).finish();
        assert.deepEqual(other.toObject(other.decode(here), AS_TEXT), other.toObject(other.decode(there), AS_TEXT));
        const read = decode(types, name, there);
        assert.deepEqual(read, decode(types, name, here));
        for (const [key, , kind] of types.messages[name])
          if (kind !== "msg" && ours[key] !== undefined) assert.deepEqual(bare(read[key]), bare(ours[key]), key);
      }
    });

// ---- what random messages do not show ----

const ROWS = {
  messages: {
    All: [["a", 1, "i64", "one", 1, ""], ["t", 2, "time", "one", 0, ""], ["e", 3, "enum", "one", 0, "E"],
      ["m", 4, "msg", "one", 0, "All"], ["n", 5, "str", "one", 2, ""], ["p", 6, "f64", "one", 4, ""],
      ["d", 7, "str", "map", 0, ""], ["b", 8, "bytes", "list", 0, ""], ["i", 9, "i32", "list", 0, ""],
      ["j", 10, "json", "one", 0, ""]],
  },
  enums: { E: { none: 0, one: 1 } },
};
const read = (...bytes) => decode(ROWS, "All", Uint8Array.from(bytes));

test("fields and enum values of a later version survive", () => {
  const message = read(8, 1, 24, 9, 0xa2, 6, 2, 65, 66, 0xa8, 6, 5);
  assert.equal(message.e, "9");
  assert.deepEqual([...message[UNKNOWN]], [0xa2, 6, 2, 65, 66, 0xa8, 6, 5]);
  assert.deepEqual({ ...encode(ROWS, "All", { ...message }) }, { ...encode(ROWS, "All", message) });
  const again = decode(ROWS, "All", encode(ROWS, "All", { ...message, a: 2 }));
  assert.deepEqual([again.a, again.e, ...again[UNKNOWN]], [2, "9", 0xa2, 6, 2, 65, 66, 0xa8, 6, 5]);
});

test("what is absent is null, empty or the zero that it stands for", () => {
  assert.deepEqual(read(8, 1), { a: 1, n: null, p: 0, d: {}, b: [], i: [] });
  assert.deepEqual(read(8, 1, 58, 0).d, { "": "" }); // an entry without key and value
  assert.throws(() => read(), /\/a is missing/);
  assert.throws(() => read(8, 1, 34, 0), /\/m\/a is missing/);
});

test("repeated numbers are read packed and one by one; the last single value counts", () => {
  assert.deepEqual(read(8, 1, 72, 5, 74, 2, 6, 7, 8, 2), { ...read(8, 2), i: [5, 6, 7] });
  assert.deepEqual(read(8, 1, 34, 2, 8, 3, 34, 4, 8, 4, 18, 0).m, { ...read(8, 4), t: "1970-01-01T00:00:00Z" });
});

test("times are RFC 3339", () => {
  for (const time of ["2026-11-28T09:00:00Z", "1969-12-31T23:59:59.250Z", "2026-01-01T00:00:00.000000001Z"])
    assert.equal(decode(ROWS, "All", encode(ROWS, "All", { a: 1, t: time })).t, time);
});

test("bytes that are no message are said, not guessed", () => {
  for (const bytes of [[8], [8, 0x80], [58, 200], [0, 1], [8, 1, 7], [11], [18, 1, 8], [8, 1, 42, 1, 255],
    [8, 1, 82, 1, 123], [8, ...Array(10).fill(255), 1], [58, 2, 18, 200]])
    assert.throws(() => read(...bytes), Mismatch, String(bytes));
  let deep = Uint8Array.from([8, 1]);
  for (let i = 0; i < 70; i++) deep = encode(ROWS, "All", { a: 1, [UNKNOWN]: Uint8Array.from([34, ...sizeOf(deep), ...deep]) });
  assert.throws(() => decode(ROWS, "All", deep), /nested too deeply/);
  assert.throws(() => read(8, ...Array(9).fill(255), 1, 255), Mismatch);
  assert.throws(() => read(8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40), /beyond 2\^53/);
});

const sizeOf = ({ length }) => (length < 128 ? [length] : [(length & 127) | 128, length >> 7]);

test("cuts and flipped bits end in a message or a Mismatch, never otherwise", () => {
  const whole = encode(ROWS, "All", { a: 5, t: "2026-11-28T09:00:00Z", e: "one", m: { a: 1, d: { k: "v" } }, n: "x", p: 1,
    d: { a: "b" }, b: [new Uint8Array(3)], i: [1, -1], j: { x: [1] } });
  for (let i = 0; i < 4000; i++) {
    const bytes = whole.slice(0, 1 + random(whole.length));
    bytes[random(bytes.length)] ^= 1 << random(8);
    try {
      decode(ROWS, "All", bytes);
    } catch (problem) {
      assert.ok(problem instanceof Mismatch, String(problem));
    }
  }
});

test("a request that does not fit its types is refused before it is sent", () => {
  for (const [bad, why] of [[{ a: 1.5 }, /exact/], [{ a: 2 ** 60 }, /exact/], [{ a: 2n ** 64n }, /fit/], [{ a: "1" }, /exact/],
    [{ z: 1 }, /no 'z'/], [{ n: 1 }, /string/], [{ e: "two" }, /not a E/], [{ b: ["x"] }, /Uint8Array/], [{ d: [] }, /object/],
    [{ b: {} }, /list/], [{ t: "soon" }, /time/], [{ i: [2 ** 31] }, /fit/], [[], /object/]])
    assert.throws(() => encode(ROWS, "All", bad), (problem) => problem instanceof TypeError && why.test(problem.message), String(why));
});

test("JSON: bytes are base64, typed arrays lists; what has no JSON is refused", () => {
  assert.equal(writeJson({ b: Buffer.from("hi"), f: Float32Array.of(1, 2.5), n: 7n }), '{"b":"aGk=","f":[1,2.5],"n":7}');
  assert.throws(() => writeJson({ x: [NaN] }), TypeError);
  assert.throws(() => writeJson({ x: 2n ** 60n }), TypeError);
  const message = readJson(ROWS, "All", JSON.parse('{"a":1.0,"b":["aGk="],"e":"later","new":{"x":1},"d":{"__proto__":"p"}}'));
  assert.deepEqual([[...message.b[0]], message.e, message.new, message.n], [[104, 105], "later", { x: 1 }, null]);
  assert.equal(JSON.stringify(message.d), '{"__proto__":"p"}');
  for (const bad of ['{"a":1.5}', '{"a":"1"}', '{"a":null}', "{}", "[]", "3", '{"a":1,"b":["*"]}', '{"a":1,"d":[]}', '{"a":1,"b":{}}',
    '{"a":1,"m":[]}'])
    assert.throws(() => readJson(ROWS, "All", JSON.parse(bad)), Mismatch, bad);
});
