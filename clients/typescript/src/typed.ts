/*
 * Typed: what clients of one model are made of; `specgen model-client` writes them.
 *
 * Before the first call the server's model is compared with the one that the
 * client was made from: by the digest of its bundle, or by name, version and
 * outputs where a server tells none. Inputs are checked before anything is sent,
 * and what comes back is taken by name and type: a model that changed is a
 * ModelChangedError, never a wrong number.
 */
import type { CapabilitiesResponse, InfoResponse, ModelRuntime, PredictResponse } from "./api/runtime.js";
import { answerOf, makeError } from "./call.js";
import type { Client } from "./client.js";
import type { Options } from "./engine.js";
import { isObject, put } from "./message.js";

/** A key of data, input or parameter, and what it takes. */
export interface InputFacts {
  readonly name: string;
  readonly type: string;
  readonly optional?: boolean;
  readonly maxBytes?: number;
  readonly length?: number;
  readonly values?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A key of results. */
export interface OutputFacts {
  readonly name: string;
  readonly type: string;
  /** What it is called here, if not so. */
  readonly member?: string;
  /** A number that is written as text. */
  readonly encoded?: boolean;
  readonly length?: number;
}

export interface ModelFacts {
  readonly name: string;
  readonly version: string;
  readonly bundleDigest: string;
  readonly modelDigest: string;
  readonly inputType: string;
  readonly inputs: readonly InputFacts[];
  readonly outputs: readonly OutputFacts[];
}

const isText = (value: unknown): boolean => typeof value === "string";
const isNumber = (value: unknown): boolean => Number.isFinite(value);
const isBytes = (value: unknown): boolean => isText(value) || value instanceof Uint8Array;
const listOf = (test: (item: unknown) => boolean) => (value: unknown): boolean => Array.isArray(value) && value.every(test);

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  "text": isText, "string": isText, "image": isBytes, "audio": isBytes, "float": isNumber,
  "integer": Number.isInteger, "boolean": (value) => typeof value === "boolean",
  "array<float>": listOf(isNumber), "array<string>": listOf(isText), "object": isObject,
};

function isOf(type: string, value: unknown): boolean {
  return Object.hasOwn(TYPES, type) && !!TYPES[type]?.(value);
}

function sizeOf(value: unknown): number {
  if (typeof value === "string") return new TextEncoder().encode(value).length;
  return value instanceof Uint8Array ? value.length : 0;
}

/** Throws what is wrong with the value; the model would not take it. */
function check(row: InputFacts, value: unknown): void {
  const { name, length = 0, maxBytes = Infinity, values, minimum = -Infinity, maximum = Infinity } = row;
  if (!isOf(row.type, value)) throw new TypeError(`${name}: is not of type ${row.type}`);
  const has = (value as { length?: number }).length;
  if (length && has !== length) throw new RangeError(`${name}: has ${has} elements, not ${length}`);
  const size = sizeOf(value);
  if (size > maxBytes) throw new RangeError(`${name}: has ${size} bytes, at most ${maxBytes}`);
  if (values && !values.includes(value)) throw new RangeError(`${name}: is none of ${values.join(", ")}`);
  if (typeof value !== "number") return;
  if (value < minimum) throw new RangeError(`${name}: is below ${minimum}`);
  if (value > maximum) throw new RangeError(`${name}: is above ${maximum}`);
}

function dataOf(facts: ModelFacts, inputs: object): Record<string, unknown> {
  const left: Record<string, unknown> = { ...inputs };
  const data: Record<string, unknown> = {};
  for (const row of facts.inputs) {
    const given = Object.hasOwn(left, row.name) ? left[row.name] : undefined;
    const value = given instanceof Float32Array || given instanceof Float64Array ? Array.from(given) : given;
    delete left[row.name];
    if (value === undefined || value === null) {
      if (!row.optional) throw new TypeError(`${row.name}: is required`);
      continue;
    }
    check(row, value);
    put(data, row.name, value);
  }
  const [unknown] = Object.keys(left);
  if (unknown !== undefined) throw new TypeError(`${unknown}: ${facts.name} does not take it`);
  return data;
}

/** Whether the server has this client's bundle to the byte; false if one of them does not know. */
function isBundle(facts: ModelFacts, info: InfoResponse): boolean {
  if (!info.bundle_digest || !facts.bundleDigest) return false;
  if (info.bundle_digest === facts.bundleDigest) return true;
  throw makeError("MODEL_CHANGED", `the server has ${info.name} ${info.model_version} with ${info.bundle_digest}; ` +
    `this client was made for ${facts.name} ${facts.version} with ${facts.bundleDigest}`);
}

/** A server that starts tells the digest of its documents only: it has to be asked again. */
function isKnown(info: InfoResponse): boolean {
  return !!info.bundle_digest || !info.documents_digest;
}

function gives(facts: ModelFacts, schema: Readonly<Record<string, string>>): boolean {
  return Object.keys(schema).length === facts.outputs.length &&
    facts.outputs.every(({ name, type }) => Object.hasOwn(schema, name) && schema[name] === type);
}

function compare(facts: ModelFacts, info: InfoResponse, described: CapabilitiesResponse): void {
  const served = `${described.model} ${info.model_version}`;
  if (served !== `${facts.name} ${facts.version}`)
    throw makeError("MODEL_CHANGED", `the server has ${served}; this client was made for ${facts.name} ${facts.version}`);
  if (!described.capabilities.some((one) => one.input_types.includes(facts.inputType) && gives(facts, one.output_schema)))
    throw makeError("MODEL_CHANGED", `${served} does not give what this client was made for`);
}

/** The outputs, checked. A declined input is the error it says. */
function take(facts: ModelFacts, response: PredictResponse): Record<string, unknown> {
  const answer = answerOf(response);
  const more = answer ? { answer } : {};
  if (!response.success)
    throw makeError(response.error_code || "UNKNOWN", response.error_message || "declined", more);
  const told = answer?.headers.get("x-model-digest");
  if (told && facts.modelDigest && told !== facts.modelDigest)
    throw makeError("MODEL_CHANGED", `${facts.name}: the answer is of the model ${told}; ` +
      `this client was made for ${facts.modelDigest}`, more);
  const found: Record<string, unknown> = {};
  for (const { name, type, member, encoded, length } of facts.outputs) {
    const value = Object.hasOwn(response.results, name) ? response.results[name] : undefined;
    if (!isOf(encoded ? "string" : type, value) || (length && (value as ArrayLike<unknown>).length !== length))
      throw makeError("MODEL_CHANGED", `${facts.name}: the answer has no ${name} of type ${type}`, more);
    put(found, member ?? name, value);
  }
  return { ...found, response };
}

/** Base of clients of one model. */
export class TypedModel<Inputs extends object, Result> {
  private readonly runtime: ModelRuntime;
  private compared = false;

  constructor(client: Client, private readonly facts: ModelFacts) {
    this.runtime = client.model(facts.name);
  }

  /** Runs the model on one input. TypeError and RangeError: it was not sent. */
  async predict(inputs: Inputs, options?: Options): Promise<Result> {
    const { facts, runtime } = this;
    const data = dataOf(facts, inputs);
    if (!this.compared) {
      const info = await runtime.info({}, options);
      if (!isBundle(facts, info)) compare(facts, info, await runtime.capabilities({}, options));
      this.compared = isKnown(info);
    }
    return take(facts, await runtime.predict({ input_type: facts.inputType, data }, options)) as Result;
  }
}
