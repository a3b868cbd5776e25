/*
 * What carries requests: a step of the engine in, an answer or none out. REST by
 * fetch is here, gRPC in grpc_transport.ts.
 */
import type { Operation } from "./call.js";
import type { Endpoint, Protocol } from "./group.js";

export interface RestRequest {
  readonly verb: string;
  readonly target: string;
  readonly body?: string | Uint8Array | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

export interface GrpcRequest {
  readonly method: string;
  readonly body: Uint8Array;
}

/** One request to one endpoint. Names of headers are in lower case. */
export interface Step<Request> {
  readonly endpoint: Endpoint;
  readonly request: Request;
  readonly headers: Readonly<Record<string, string>>;
  /** Infinity: a stream that ends when it wants. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer as it came. */
export interface Answer {
  readonly protocol: Protocol;
  /** Of HTTP, or of gRPC. */
  readonly status: number;
  /** Or metadata and trailers. */
  readonly headers: Headers;
  /** JSON, or protobuf. */
  readonly body: Uint8Array;
  /** Of gRPC's status. */
  readonly message: string;
  readonly endpoint: string;
  readonly attempts: number;
  /** As the server calls it, or as it was sent. */
  readonly requestId: string;
}

/** What a transport knows of an answer. */
export type Received = Pick<Answer, "protocol" | "status" | "headers" | "body" | "message">;

/** No answer. */
export interface Lost {
  readonly lost: string;
  /** Bytes of the request may have gone out. */
  readonly sent: boolean;
  readonly why: "gone" | "late" | "broken";
}

export interface Transport<Request> {
  /** Throws only what the caller's own signal was aborted with. */
  send(step: Step<Request>): Promise<Received | Lost>;
  close(): void;
}

/** Bodies as they come; an error of the stream is an answer or a loss. */
export interface Source {
  next(): Promise<Uint8Array | undefined>;
  /** Tells the server that nobody listens any more; next() ends then. */
  cancel(): void;
  outcome(problem: unknown): Received | Lost;
}

export interface GrpcTransport extends Transport<GrpcRequest> {
  encode(op: Operation, request: object): Uint8Array;
  decode(op: Operation, body: Uint8Array): object;
  open(step: Step<GrpcRequest>): Source;
}

// ---- REST ----

const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT"]);

function causeOf(problem: unknown): string {
  const { code, cause } = problem as { code?: unknown; cause?: { code?: unknown } };
  const found = cause?.code ?? code;
  return typeof found === "string" ? found : "";
}

class TooLarge extends Error {}

async function readBody(response: Response, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read();
    if (!part || part.done) break;
    size += part.value.length;
    if (size > limit) {
      await reader?.cancel();
      throw new TooLarge(`the answer has more than ${limit} bytes`);
    }
    parts.push(part.value);
  }
  const body = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}

function lostBy(problem: unknown): Lost {
  const code = causeOf(problem);
  const broken = problem instanceof TooLarge || code.startsWith("HPE_") || code === "UND_ERR_HEADERS_OVERFLOW";
  return {
    lost: `${String(problem)}${code && ` (${code})`}`,
    sent: !NEVER_SENT.has(code),
    why: broken ? "broken" : "gone",
  };
}

export class RestTransport implements Transport<RestRequest> {
  /** `limit`: bytes of the largest answer that is read. */
  constructor(private readonly fetcher: typeof fetch, private readonly limit: number) {}

  async send(step: Step<RestRequest>): Promise<Received | Lost> {
    const { request, signal } = step;
    const headers = new Headers({ ...request.headers, ...step.headers }); // throws at line breaks
    const stop = new AbortController();
    const leave = () => stop.abort();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      stop.abort();
    }, step.timeoutMs);
    signal?.addEventListener("abort", leave);
    try {
      signal?.throwIfAborted();
      const response = await this.fetcher(step.endpoint.restUrl + request.target, {
        method: request.verb, headers, redirect: "manual", signal: stop.signal,
        ...(request.body === undefined ? {} : { body: request.body as BodyInit }),
      });
      const body = await readBody(response, this.limit);
      return { protocol: "rest", status: response.status, headers: response.headers, body, message: "" };
    } catch (problem) {
      signal?.throwIfAborted();
      return late ? { lost: "no answer in time", sent: true, why: "late" } : lostBy(problem);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
    }
  }

  close(): void {
    // connections are fetch's own
  }
}
