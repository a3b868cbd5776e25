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
import { errorOfAnswer, errorOfLost, makeError, prepare, type Prepared, replyOf } from "./call.js";
import { ApiError } from "./failure.js";
import { Budget, type Endpoint, Group } from "./group.js";
import { type Answer, type Lost, send } from "./transport.js";

/** One call's own wishes. */
export interface Options {
  readonly timeoutMs?: number;
  readonly attempts?: number;
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
  /** For operations without a deadline in the contract. */
  readonly timeoutMs?: number;
  readonly attempts?: number;
  readonly backoffMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string | (() => string | Promise<string>);
  /** W3C traceparent of the call. */
  readonly trace?: (operation: string) => string | undefined;
  readonly observe?: (event: AttemptEvent) => void;
  /** For proxies, own authorities and client certificates. */
  readonly fetch?: typeof fetch;
  readonly maxAnswerBytes?: number;
  /** How instances that the registry names are called. */
  readonly scheme?: "http" | "https";
}

const REFRESH_MS = 5000;

function isLoopback(url: string): boolean {
  const host = new URL(url).hostname;
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
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
  });
}

function newRequestId(): string {
  const bytes = globalThis.crypto?.getRandomValues(new Uint8Array(8)) ??
    Uint8Array.from({ length: 8 }, () => Math.floor(Math.random() * 256));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Engine {
  readonly budget = new Budget();
  registry: Group | undefined;

  constructor(readonly settings: Settings) {}

  /** The good answer, or an ApiError is thrown. */
  async call(call: Prepared, group: Group, options: Options = {}): Promise<Answer> {
    const most = options.attempts ?? this.settings.attempts ?? 3;
    const deadline = Date.now() +
      (options.timeoutMs ?? (call.timeoutMs || (this.settings.timeoutMs ?? 30_000)));
    const requestId = options.requestId ?? newRequestId();
    const tried = new Set<Endpoint>();
    for (let attempt = 1; ; attempt++) {
      await this.refresh(group, deadline);
      const endpoint = group.choose(tried, Math.random, Date.now());
      if (!endpoint) throw makeError("UNAVAILABLE", `nobody is known to serve '${group.name}'`);
      tried.add(endpoint);
      const start = Date.now();
      const outcome = await this.attempt(call, endpoint, deadline, requestId, options);
      const failure = this.judge(outcome, endpoint);
      this.settings.observe?.({ operation: call.id, endpoint: endpoint.url, attempt,
        ms: Date.now() - start, requestId, code: failure?.code ?? "" });
      if (!failure) {
        group.well(endpoint);
        this.budget.earn();
        return outcome as Answer;
      }
      failure.attempts = attempt;
      if ("why" in outcome || failure.code === "UNAVAILABLE" || failure.code === "NOT_READY")
        group.failed(endpoint, Date.now());
      const wait = this.wait(call, failure, outcome, attempt, group.hasOther(tried, Date.now()));
      if (attempt >= most || wait === undefined || Date.now() + wait >= deadline ||
          !this.budget.spend())
        throw failure;
      if (wait > 0) await sleep(wait, options.signal);
    }
  }

  private judge(outcome: Answer | Lost, endpoint: Endpoint): ApiError | undefined {
    if ("why" in outcome) return errorOfLost(outcome, endpoint.url);
    return outcome.status >= 200 && outcome.status < 300 ? undefined : errorOfAnswer(outcome);
  }

  /** Milliseconds before the next attempt; undefined: there must be none. */
  private wait(call: Prepared, failure: ApiError, outcome: Answer | Lost, attempt: number,
      hasOther: boolean): number | undefined {
    const unsent = "why" in outcome && !outcome.sent;
    if (!unsent && (call.safety === "once" || !failure.retryable)) return undefined;
    if (hasOther) return 0;
    const jitter = Math.random() * Math.min(2000, (this.settings.backoffMs ?? 50) * 2 ** (attempt - 1));
    return Math.max(failure.retryAfterMs ?? 0, jitter);
  }

  private async attempt(call: Prepared, endpoint: Endpoint, deadline: number, requestId: string,
      options: Options): Promise<Answer | Lost> {
    const left = deadline - Date.now();
    if (left <= 0) return { message: "the deadline passed", sent: false, why: "late" };
    endpoint.pending++;
    try {
      const headers = {
        ...call.headers,
        ...(await this.headers(call.id, endpoint, requestId, options)),
        "X-Request-Timeout": (left / 1000).toFixed(3),
      };
      return await send(this.settings.fetch ?? fetch, {
        url: endpoint.url + call.target, verb: call.verb, headers, body: call.body,
        timeoutMs: left, signal: options.signal,
        limit: this.settings.maxAnswerBytes ?? 64 << 20,
      });
    } finally {
      endpoint.pending--;
    }
  }

  private async headers(operation: string, endpoint: Endpoint, requestId: string,
      options: Options): Promise<Record<string, string>> {
    const headers: Record<string, string> = {
      "User-Agent": "specserve-typescript/0.1.0", ...this.settings.headers, "X-Request-Id": requestId,
    };
    const { token } = this.settings;
    const secret = typeof token === "function" ? await token() : token;
    if (secret) {
      if (!endpoint.url.startsWith("https:") && !isLoopback(endpoint.url))
        throw new TypeError(`${endpoint.url}: a token is not sent without TLS`);
      headers["Authorization"] = `Bearer ${secret}`;
    }
    const parent = options.traceparent ?? this.settings.trace?.(operation);
    if (parent) headers["traceparent"] = parent;
    return { ...headers, ...options.headers };
  }

  // ---- the registry ----

  /** Asks for the group's instances if it is time to; calls share the question. */
  private async refresh(group: Group, deadline: number): Promise<void> {
    if (Date.now() < group.refreshAt) return;
    group.refreshing ??= this.ask(group, deadline).finally(() => {
      group.refreshing = undefined;
    });
    await group.refreshing;
  }

  /** While the registry is away the last list counts. */
  private async ask(group: Group, deadline: number): Promise<void> {
    const { registry } = this;
    if (!registry) throw makeError("UNAVAILABLE", "no registry to find models with");
    const known = group.endpoints.length > 0;
    const timeoutMs = Math.max(1, Math.min(known ? 1000 : 5000, deadline - Date.now()));
    try {
      const answer = await this.call(prepare(RESOLVE, { model_name: group.name }), registry,
        { timeoutMs, attempts: known ? 1 : 3 });
      const reply = replyOf<ResolveResponse>(RESOLVE, answer);
      group.replace(reply.instances.map((instance) => this.url(instance, registry)));
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      if (problem.code === "NOT_FOUND") group.replace([]);
      if (!group.endpoints.length) throw problem;
    }
    group.refreshAt = Date.now() + REFRESH_MS;
  }

  private url(instance: { readonly host?: string; readonly port: number }, registry: Group): string {
    const host = instance.host || new URL(registry.endpoints[0]?.url ?? "http://127.0.0.1").hostname;
    const safe = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
    return `${this.settings.scheme ?? "http"}://${safe}:${instance.port}`;
  }
}
