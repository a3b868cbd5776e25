/*
 * Calls: a typed request as REST, an answer as a reply or an error.
 */
import { BY_CODE } from "./api/errors.js";
import { ApiError, type ErrorRow, LOCAL } from "./failure.js";
import { checkMessage, type Messages, Mismatch } from "./message.js";
import type { Answer, Lost } from "./transport.js";

export interface Operation {
  readonly id: string;
  readonly verb: string;
  /** "/heartbeat/{port}" */
  readonly path: string;
  readonly query: readonly string[];
  readonly hasBody: boolean;
  readonly safety: "read" | "idempotent" | "once";
  /** 0: the client's own. */
  readonly timeoutMs: number;
  /** Message of the reply; "": bytes. */
  readonly reply: string;
  readonly messages: Messages;
}

/** What goes out, the same in each attempt. */
export interface Prepared {
  readonly id: string;
  readonly verb: string;
  readonly target: string;
  readonly body?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly safety: Operation["safety"];
  readonly timeoutMs: number;
}

export function prepare(op: Operation, request: object): Prepared {
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
    id: op.id,
    verb: op.verb,
    target: path + (query.length ? `?${query.join("&")}` : ""),
    headers: op.hasBody ? { "Content-Type": "application/json" } : {},
    safety: op.safety,
    timeoutMs: op.timeoutMs,
    ...(op.hasBody ? { body: JSON.stringify(left) } : {}),
  };
}

interface More {
  readonly http?: number;
  readonly details?: unknown;
  readonly retryAfterMs?: number | undefined;
  readonly requestId?: string;
}

/** The error of this code; ApiError itself for one of a later catalogue. */
export function makeError(code: string, message: string, more: More = {}): ApiError {
  const row: ErrorRow | undefined = Object.hasOwn(LOCAL, code) ? LOCAL[code]
    : Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined;
  return new (row?.type ?? ApiError)({
    code,
    message,
    retry: row?.retry ?? "NEVER",
    http: more.http ?? 0,
    details: Array.isArray(more.details) ? more.details : [],
    retryAfterMs: more.retryAfterMs,
    requestId: more.requestId ?? "",
  });
}

function parse(body: Uint8Array): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
}

/** Of an answer that nobody of ours gave. */
function codeOfStatus(status: number): string {
  const codes: Record<number, string> = {
    400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_IMPLEMENTED",
    408: "REQUEST_TIMEOUT", 413: "PAYLOAD_TOO_LARGE", 429: "UNAVAILABLE", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "UNAVAILABLE",
  };
  return codes[status] ?? "UNKNOWN";
}

function retryAfterMs(text: string | null): number | undefined {
  if (!text) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}

export function errorOfAnswer(answer: Answer): ApiError {
  let body: Record<string, unknown> = {};
  try {
    body = Object(parse(answer.body)) as Record<string, unknown>;
  } catch {
    // nobody of ours: the status decides
  }
  const code = body["error_code"];
  const message = body["error"] ?? body["error_message"];
  const more: More = {
    http: answer.status,
    details: body["details"],
    retryAfterMs: retryAfterMs(answer.headers.get("Retry-After")),
    requestId: answer.headers.get("X-Request-Id") ?? "",
  };
  return makeError(typeof code === "string" && code ? code : codeOfStatus(answer.status),
    typeof message === "string" ? message : `status ${answer.status}`, more);
}

export function errorOfLost(lost: Lost, url: string): ApiError {
  const codes = { gone: "UNAVAILABLE", late: "TIMEOUT", broken: "BAD_ANSWER" };
  return makeError(codes[lost.why], `${url}: ${lost.message}`);
}

export function replyOf<T>(op: Operation, answer: Answer): T {
  if (!op.reply) return answer.body as T;
  try {
    const reply = parse(answer.body);
    checkMessage(op.messages, op.reply, reply);
    return reply as T;
  } catch (problem) {
    if (problem instanceof Mismatch || problem instanceof SyntaxError || problem instanceof TypeError)
      throw makeError("BAD_ANSWER", `${op.id}: ${problem.message}`, { http: answer.status });
    throw problem;
  }
}
