/*
 * Engine: the attempts of one call. Whom to ask, how long, whether again.
 *
 *   - the deadline covers all attempts; what is left of it goes out with each
 *   - again only where the contract lets the call be repeated and the failure
 *     passes; what was never sent may always go again
 *   - a retry costs a token of a budget that all calls share
 *   - full jitter; a server that names a time is waited for; somebody else who
 *     is well is asked at once
 */
import { RESOLVE, type ResolveResponse } from "./api/registry.js";
import { errorOfAnswer, errorOfLost, makeError, type Operation, replyOf, toRest } from "./call.js";
import { ApiError } from "./failure.js";
import { Budget, type Endpoint, Group, type Protocol } from "./group.js";
import { Stream } from "./stream.js";
import { type Answer, type GrpcRequest, type GrpcTransport, type Lost, type Received, type RestRequest,
  RestTransport, type Step } from "./transport.js";
import { USER_AGENT } from "./version.js";

/** One call's own wishes. */
export interface Options {
  /** Of all attempts together. */
  readonly timeoutMs?: number;
  readonly attempts?: number;
  /** Sent as it is; one is made otherwise. */
  readonly requestId?: string;
  readonly traceparent?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** One attempt, for the observer of a client. `code` "" is success. */
export interface AttemptEvent {
  readonly operation: string;
  readonly endpoint: string;
  readonly attempt: number;
  readonly ms: number;
  readonly requestId: string;
  readonly code: string;
}

export interface Settings {
  /** For operations without a deadline in the contract; 30 s. */
  readonly timeoutMs?: number;
  /** Of a call at most; 3. */
  readonly attempts?: number;
  readonly backoffMs?: number;
  /** Retries that may fail in a row, over all calls; 10. */
  readonly retryTokens?: number;
  /** After how long the registry's list is asked for again; 5 s. */
  readonly refreshMs?: number;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A bearer token, or what gives it per attempt; only to loopback or through TLS. */
  readonly token?: string | (() => string | Promise<string>);
  /** Sends the token in the clear, too. */
  readonly plaintextToken?: boolean;
  /** W3C traceparent of the call. */
  readonly trace?: (operation: string) => string | undefined;
  readonly observe?: (event: AttemptEvent) => void;
  /** For proxies, own authorities and client certificates. */
  readonly fetch?: typeof fetch;
  readonly maxAnswerBytes?: number;
  /** How instances that the registry names are called; http, or grpc of specserve/grpc. */
  readonly scheme?: "http" | "https" | "grpc" | "grpcs";
}

/** An operation and its request, or a request that no operation describes. */
export interface Call {
  readonly op: Operation;
  readonly request: object;
  readonly raw?: RestRequest;
}

/** What timers take; longer ones would end at once. */
const LONGEST_MS = 2 ** 31 - 1;

type Outcome = Received | Lost;

const now = (): number => performance.now(); // does not jump

function within<T>(work: Promise<T>, ms: number, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal?.reason);
    const timer = setTimeout(() => reject(makeError("TIMEOUT", "no answer in time")), ms);
    signal?.addEventListener("abort", leave, { once: true });
    if (signal?.aborted) leave();
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
    });
  });
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, ms);
    signal?.addEventListener("abort", leave, { once: true });
    if (signal?.aborted) leave();
  });
}

function newRequestId(): string {
  const bytes = globalThis.crypto?.getRandomValues(new Uint8Array(8)) ??
    Uint8Array.from({ length: 8 }, () => Math.floor(Math.random() * 256));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Names in lower case, so that a later one replaces an earlier one. */
function merge(...parts: readonly (Readonly<Record<string, string>> | undefined)[]): Record<string, string> {
  const pairs = parts.flatMap((part) => Object.entries(part ?? {}));
  return Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]));
}

/** The instance is not well, as far as its failure shows. */
function hurts(failure: ApiError, outcome: Outcome): boolean {
  if ("lost" in outcome) return outcome.sent || outcome.why !== "late";
  return failure.code === "UNAVAILABLE" || failure.code === "NOT_READY";
}

export class Engine {
  registry: Group | undefined;
  private readonly budget: Budget;
  private readonly rest: RestTransport;
  private closed = false;

  constructor(private readonly settings: Settings, readonly grpc?: GrpcTransport) {
    this.budget = new Budget(settings.retryTokens ?? 10);
    this.rest = new RestTransport((...request) => (settings.fetch ?? fetch)(...request),
      settings.maxAnswerBytes ?? 64 << 20);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.rest.close();
    this.grpc?.close();
  }

  // ---- one request ----

  /** The good answer, or an ApiError is thrown. */
  async call(call: Call, group: Group, options: Options = {}): Promise<Answer> {
    const most = options.attempts ?? this.settings.attempts ?? 3;
    const wanted = options.timeoutMs ?? (call.op.timeoutMs || (this.settings.timeoutMs ?? 30_000));
    const deadline = now() + Math.min(wanted, LONGEST_MS);
    const requestId = options.requestId ?? newRequestId();
    const forms = new Map<Protocol, RestRequest | GrpcRequest>();
    const tried = new Set<Endpoint>();
    for (let attempt = 1; ; attempt++) {
      const endpoint = await this.choose(group, tried, deadline, options.signal);
      tried.add(endpoint);
      const start = now();
      let outcome: Outcome;
      try {
        outcome = await this.attempt(call, endpoint, deadline, requestId, forms, options);
      } finally {
        group.done(endpoint);
      }
      const answer = "lost" in outcome ? undefined
        : answerWith(outcome, endpoint, attempt, requestId);
      const failure = this.judge(answer, outcome, endpoint, requestId);
      this.settings.observe?.({ operation: call.op.id, endpoint: endpoint.url, attempt,
        ms: now() - start, requestId, code: failure?.code ?? "" });
      if (!failure && answer) {
        group.well(endpoint);
        this.budget.earn();
        return answer;
      }
      const failed = failure as ApiError;
      failed.attempts = attempt;
      if (hurts(failed, outcome)) group.failed(endpoint, now());
      const wait = this.wait(call.op, failed, outcome, attempt, group.hasOther(tried, now()));
      if (attempt >= most || wait === undefined || now() + wait >= deadline || !this.budget.spend())
        throw failed;
      if (wait > 0) await sleep(wait, options.signal);
    }
  }

  private async choose(group: Group, tried: ReadonlySet<Endpoint>, deadline: number,
      signal: AbortSignal | undefined): Promise<Endpoint> {
    if (this.closed) throw new Error("the client is closed");
    await this.refresh(group, deadline, signal);
    const endpoint = group.choose(tried, now());
    if (!endpoint) throw makeError("UNAVAILABLE", `nobody is known to serve '${group.name}'`);
    return endpoint;
  }

  private judge(answer: Answer | undefined, outcome: Outcome, endpoint: Endpoint,
      requestId: string): ApiError | undefined {
    if (!answer) return errorOfLost(outcome as Lost, endpoint.url, requestId);
    const good = answer.protocol === "grpc" ? answer.status === 0 : answer.status >= 200 && answer.status < 300;
    return good ? undefined : errorOfAnswer(answer);
  }

  /** Milliseconds before the next attempt; undefined: there must be none. */
  private wait(op: Operation, failure: ApiError, outcome: Outcome, attempt: number,
      hasOther: boolean): number | undefined {
    const unsent = "lost" in outcome && !outcome.sent;
    if (!unsent && (op.safety === "once" || !failure.retryable)) return undefined;
    if (hasOther) return 0;
    const jitter = Math.random() * Math.min(2000, (this.settings.backoffMs ?? 50) * 2 ** (attempt - 1));
    return Math.max(failure.retryAfterMs ?? 0, jitter);
  }

  private async attempt(call: Call, endpoint: Endpoint, deadline: number, requestId: string,
      forms: Map<Protocol, RestRequest | GrpcRequest>, options: Options): Promise<Outcome> {
    const headers = await this.headers(call.op, endpoint, requestId, options);
    const timeoutMs = deadline - now();
    if (timeoutMs <= 0) return { lost: "the deadline passed", sent: false, why: "late" };
    const protocol = this.protocolOf(call, endpoint);
    const request = forms.get(protocol) ?? this.prepare(call, protocol);
    forms.set(protocol, request);
    const step = { endpoint, headers, timeoutMs, signal: options.signal };
    if ("method" in request) return (this.grpc as GrpcTransport).send({ ...step, request });
    headers["x-request-timeout"] = (Math.max(timeoutMs, 1) / 1000).toFixed(3);
    return this.rest.send({ ...step, request });
  }

  /** An instance speaks both on its port; an operation may have one form only. */
  private protocolOf({ op, raw }: Call, endpoint: Endpoint): Protocol {
    const wanted = !raw && op.method && (endpoint.protocol === "grpc" || !op.verb) ? "grpc" : "rest";
    if (wanted === "grpc" && !this.grpc)
      throw new TypeError(`${op.id} at ${endpoint.url} needs gRPC: import { Client } from "specserve/grpc"`);
    return wanted;
  }

  private prepare({ op, request, raw }: Call, protocol: Protocol): RestRequest | GrpcRequest {
    if (raw) return raw;
    return protocol === "rest" ? toRest(op, request)
      : { method: op.method, body: (this.grpc as GrpcTransport).encode(op, request) };
  }

  private async headers(op: Operation, endpoint: Endpoint, requestId: string,
      options: Options): Promise<Record<string, string>> {
    const { token, plaintextToken, trace } = this.settings;
    const secret = typeof token === "function" ? await token() : token;
    if (secret && !endpoint.tls && !endpoint.isLoopback && !plaintextToken)
      throw new TypeError(`${endpoint.url}: a token is not sent without TLS`);
    const parent = options.traceparent ?? trace?.(op.id);
    return merge({ "User-Agent": USER_AGENT }, this.settings.headers, { "X-Request-Id": requestId },
      secret ? { Authorization: `Bearer ${secret}` } : {}, parent ? { traceparent: parent } : {}, options.headers);
  }

  // ---- streams ----

  /** Messages as they come. A stream is not repeated and has no deadline but the caller's. */
  stream<T>(op: Operation, request: object, group: Group, options: Options = {}): Stream<T> {
    const requestId = options.requestId ?? newRequestId();
    return new Stream<T>(async () => {
      const endpoint = await this.choose(group, new Set(), now() + 5000, options.signal);
      try {
        const call = { op, request };
        this.protocolOf(call, endpoint);
        const grpc = this.grpc as GrpcTransport;
        const step: Step<GrpcRequest> = {
          endpoint, request: this.prepare(call, "grpc") as GrpcRequest,
          headers: await this.headers(op, endpoint, requestId, options),
          timeoutMs: options.timeoutMs ?? Infinity, signal: options.signal,
        };
        const source = grpc.open(step);
        return {
          next: async () => {
            const body = await source.next();
            return body && replyOf<T>(op, answerWith({ protocol: "grpc", status: 0, headers: new Headers(), body,
              message: "" }, endpoint, 1, requestId), grpc);
          },
          cancel: () => source.cancel(),
          error: (problem) => {
            const outcome = problem instanceof ApiError ? undefined : source.outcome(problem);
            if (!outcome) return problem;
            return "lost" in outcome ? errorOfLost(outcome, endpoint.url, requestId)
              : errorOfAnswer(answerWith(outcome, endpoint, 1, requestId));
          },
        };
      } finally {
        group.done(endpoint);
      }
    }, options.signal);
  }

  // ---- the registry ----

  /** Asks for the group's instances if it is time to. Only who has nobody well to ask waits for it. */
  private async refresh(group: Group, deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const { registry } = this;
    if (!group.wantsRefresh(now()) && group.endpoints.length) return;
    if (!registry) throw makeError("UNAVAILABLE", "no registry to find models with");
    if (!group.refreshing) {
      group.asked(now(), this.settings.refreshMs ?? 5000);
      group.refreshing = this.ask(group, registry).finally(() => {
        group.refreshing = undefined;
      });
      group.refreshing.catch(() => {}); // told to those who wait
    }
    if (!group.hasWell(now())) await within(group.refreshing, deadline - now(), signal);
  }

  /** While the registry is away the last list counts. */
  private async ask(group: Group, registry: Group): Promise<void> {
    const known = group.endpoints.length > 0; // then nobody waits long
    try {
      const answer = await this.call({ op: RESOLVE, request: { model_name: group.name } }, registry,
        known ? { timeoutMs: 1000, attempts: 1 } : { timeoutMs: 5000 });
      const reply = replyOf<ResolveResponse>(RESOLVE, answer, this.grpc);
      group.replace(reply.instances.map((instance) => this.url(instance, registry)));
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      if (problem.code === "NOT_FOUND") group.replace([]);
      if (!group.endpoints.length) throw problem;
    }
  }

  private url(instance: { readonly host?: string; readonly port: number }, registry: Group): string {
    const host = instance.host || (registry.endpoints[0] as Endpoint).host;
    const safe = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
    return `${this.settings.scheme ?? (this.grpc ? "grpc" : "http")}://${safe}:${instance.port}`;
  }
}

function answerWith(received: Received, endpoint: Endpoint, attempts: number, requestId: string): Answer {
  return { ...received, endpoint: endpoint.url, attempts,
    requestId: received.headers.get("X-Request-Id") ?? requestId };
}
