/*
 * Calls: a typed request as REST, and what an answer means.
 */
import { BY_CODE } from "./api/errors.js";
import { ApiError, type ErrorRow, LOCAL } from "./failure.js";
import { Mismatch, readJson, type Types, writeJson } from "./message.js";
import type { Answer, GrpcTransport, Lost, RestRequest } from "./transport.js";

/** One endpoint, as the contract has it. */
export interface Operation {
  readonly id: string;
  /** "": it has no REST form. */
  readonly verb: string;
  /** "/heartbeat/{port}" */
  readonly path: string;
  readonly query: readonly string[];
  /** "/package.Service/Method"; "": it has no gRPC form. */
  readonly method: string;
  readonly hasBody: boolean;
  readonly stream: boolean;
  readonly safety: "read" | "idempotent" | "once";
  /** 0: the client's own. */
  readonly timeoutMs: number;
  readonly request: string;
  /** Message of the reply; "": bytes. */
  readonly reply: string;
  readonly types: Types;
}

const SAFETY: Readonly<Record<string, Operation["safety"]>> = {
  GET: "read", HEAD: "read", PUT: "idempotent", DELETE: "idempotent",
};

/** Of a request that no operation describes. */
export function rawOperation(verb: string): Operation {
  return { id: `raw ${verb}`, verb, path: "", query: [], method: "", hasBody: false, stream: false,
    safety: SAFETY[verb] ?? "once", timeoutMs: 0, request: "", reply: "", types: { messages: {}, enums: {} } };
}

export function toRest(op: Operation, request: object): RestRequest {
  const left: Record<string, unknown> = { ...request };
  const path = op.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = left[name];
    if (value === undefined || value === null || value === "")
      throw new TypeError(`${op.id}: '${name}' is part of the path and must be given`);
    delete left[name];
    return encodeURIComponent(String(value));
  });
  const query = op.query.flatMap((name) => {
    const value = left[name];
    delete left[name];
    return value === undefined || value === null ? [] : [`${name}=${encodeURIComponent(String(value))}`];
  });
  return {
    verb: op.verb,
    target: path + (query.length ? `?${query.join("&")}` : ""),
    headers: op.hasBody ? { "content-type": "application/json" } : {},
    ...(op.hasBody ? { body: writeJson(left) } : {}),
  };
}

// ---- errors ----

interface More {
  readonly answer?: Answer;
  readonly details?: unknown;
  readonly retryAfterMs?: number | undefined;
  readonly requestId?: string;
}

/** The error of this code; ApiError itself for one of a later catalogue. */
export function makeError(code: string, message: string, more: More = {}): ApiError {
  const row: ErrorRow | undefined = Object.hasOwn(LOCAL, code) ? LOCAL[code]
    : Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined;
  const { answer } = more;
  return new (row?.type ?? ApiError)({
    code,
    message,
    retry: row?.retry ?? "NEVER",
    http: answer?.protocol === "rest" ? answer.status : row?.http ?? 0,
    grpc: answer?.protocol === "grpc" ? answer.status : row?.grpc ?? -1,
    details: Array.isArray(more.details) ? more.details : [],
    retryAfterMs: more.retryAfterMs,
    requestId: answer?.requestId ?? more.requestId ?? "",
    answer,
  });
}

function parse(body: Uint8Array): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
}

/** Of an answer that nobody of ours gave: a proxy, or gRPC itself. */
const HTTP_CODES: Readonly<Record<number, string>> = {
  400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_IMPLEMENTED",
  408: "REQUEST_TIMEOUT", 413: "PAYLOAD_TOO_LARGE", 429: "UNAVAILABLE", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "UNAVAILABLE",
};
const GRPC_CODES: Readonly<Record<number, string>> = {
  1: "CANCELLED", 3: "BAD_REQUEST", 4: "TIMEOUT", 5: "NOT_FOUND", 6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED",
  8: "OVERLOADED", 12: "NOT_IMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE", 16: "UNAUTHENTICATED",
};

function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get("Retry-After");
  const pushback = headers.get("grpc-retry-pushback-ms");
  if (!text) return pushback && /^\d+$/.test(pushback) ? Number(pushback) : undefined;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}

function bodyOf(answer: Answer): Record<string, unknown> {
  try {
    return Object(parse(answer.body)) as Record<string, unknown>;
  } catch {
    return {}; // nobody of ours: the status decides
  }
}

/** Text, or an object that holds it (OpenAI's form). */
function messageOf(said: unknown, otherwise: string): string {
  const text = typeof said === "object" && said !== null ? (said as { message?: unknown }).message : said;
  return typeof text === "string" ? text : otherwise;
}

export function errorOfAnswer(answer: Answer): ApiError {
  const more = { answer, retryAfterMs: retryAfterMs(answer.headers) };
  if (answer.protocol === "grpc") {
    const code = answer.headers.get("x-error-code") || GRPC_CODES[answer.status];
    return makeError(code ?? "UNKNOWN", answer.message || `gRPC status ${answer.status}`, more);
  }
  const body = bodyOf(answer);
  const code = body["error_code"];
  return makeError(typeof code === "string" && code ? code : HTTP_CODES[answer.status] ?? "UNKNOWN",
    messageOf(body["error"] ?? body["error_message"], `HTTP status ${answer.status}`),
    { ...more, details: body["details"] });
}

export function errorOfLost(lost: Lost, url: string, requestId: string): ApiError {
  const codes = { gone: "UNAVAILABLE", late: "TIMEOUT", broken: "BAD_ANSWER" };
  return makeError(codes[lost.why], `${url}: ${lost.lost}`, { requestId });
}

// ---- replies ----

const ANSWERS = new WeakMap<object, Answer>();

/** What a reply came in: headers, endpoint, attempts, request id. */
export function answerOf(reply: object): Answer | undefined {
  return ANSWERS.get(reply);
}

export function replyOf<T>(op: Operation, answer: Answer, grpc: GrpcTransport | undefined): T {
  if (!op.reply) return answer.body as T;
  try {
    const reply = answer.protocol === "grpc" && grpc ? grpc.decode(op, answer.body)
      : readJson(op.types, op.reply, parse(answer.body));
    ANSWERS.set(reply, answer);
    return reply as T;
  } catch (problem) {
    if (problem instanceof Mismatch || problem instanceof SyntaxError || problem instanceof TypeError)
      throw makeError("BAD_ANSWER", `${op.id}: ${problem.message}`, { answer });
    throw problem;
  }
}
