/*
 * Who can answer, who is well, and whom to ask next.
 *
 * A group is the instances of one model, or a fixed list. Of two well ones that
 * are drawn at random the one with fewer calls under way is taken. One that
 * failed rests, longer each time; when its rest is over, a single call tries it.
 */

export type Protocol = "rest" | "grpc";

const TLS: Readonly<Record<string, boolean>> = { "http:": false, "https:": true, "grpc:": false, "grpcs:": true };

export class Endpoint {
  readonly url: string;
  readonly protocol: Protocol;
  readonly tls: boolean;
  readonly host: string;
  /** host:port */
  readonly authority: string;
  pending = 0;
  failures = 0;
  restsUntil = 0;

  constructor(text: string) {
    const url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
    const path = url.pathname.replace(/\/$/, "");
    const tls = TLS[url.protocol];
    this.protocol = url.protocol.startsWith("grpc") ? "grpc" : "rest";
    if (tls === undefined || !url.hostname || url.search || url.username || (path && this.protocol === "grpc"))
      throw new TypeError(`'${text}' is none of http, https, grpc or grpcs://host:port`);
    this.tls = tls;
    this.host = url.hostname;
    this.authority = `${url.hostname}:${url.port || (tls ? 443 : 80)}`;
    this.url = `${url.protocol}//${this.authority}${path}`;
  }

  /** Where REST is; a server speaks both on one port. */
  get restUrl(): string {
    return this.url.replace(/^grpc/, "http");
  }

  get isLoopback(): boolean {
    return this.host === "localhost" || this.host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(this.host);
  }
}

function rest(failures: number): number {
  return Math.min(250 * 2 ** Math.min(failures - 1, 10), 30_000);
}

export class Group {
  endpoints: Endpoint[];
  /** When the registry is asked again; Infinity: the list is fixed. */
  refreshAt = 0;
  refreshing: Promise<void> | undefined;
  private askedAt = -Infinity;

  constructor(readonly name: string, urls: readonly string[] = []) {
    this.endpoints = urls.map((url) => new Endpoint(url));
    if (urls.length) this.refreshAt = Infinity;
  }

  // ---- the list ----

  hasWell(now: number): boolean {
    return this.endpoints.some((endpoint) => endpoint.restsUntil <= now);
  }

  wantsRefresh(now: number): boolean {
    if (this.refreshAt === Infinity || (this.endpoints.length > 0 && now - this.askedAt < 100)) return false;
    return now >= this.refreshAt || !this.hasWell(now);
  }

  asked(now: number, refreshMs: number): void {
    this.askedAt = now;
    this.refreshAt = now + refreshMs;
  }

  /** The registry's list; who was known keeps its state. */
  replace(urls: readonly string[]): void {
    const known = new Map(this.endpoints.map((endpoint) => [endpoint.url, endpoint]));
    this.endpoints = urls.map((url) => new Endpoint(url)).map((fresh) => known.get(fresh.url) ?? fresh);
  }

  // ---- choosing ----

  /** The one to ask; a call on it is counted until done(). */
  choose(tried: ReadonlySet<Endpoint>, now: number, random = Math.random): Endpoint | undefined {
    const well = this.endpoints.filter((endpoint) => endpoint.restsUntil <= now);
    const fresh = well.filter((endpoint) => !tried.has(endpoint));
    const best = lessLoaded(fresh.length ? fresh : well, random) ?? firstBack(this.endpoints);
    if (!best) return undefined;
    if (best.failures) best.restsUntil = now + rest(best.failures); // the others wait for this call
    best.pending++;
    return best;
  }

  /** Somebody well is left who was not asked yet. */
  hasOther(tried: ReadonlySet<Endpoint>, now: number): boolean {
    return this.endpoints.some((endpoint) => !tried.has(endpoint) && endpoint.restsUntil <= now);
  }

  done(endpoint: Endpoint): void {
    endpoint.pending--;
  }

  well(endpoint: Endpoint): void {
    endpoint.failures = 0;
    endpoint.restsUntil = 0;
  }

  /** It rests, and the registry is asked before the next call. */
  failed(endpoint: Endpoint, now: number): void {
    endpoint.failures++;
    endpoint.restsUntil = now + rest(endpoint.failures);
    if (this.refreshAt !== Infinity) this.refreshAt = 0;
  }
}

function lessLoaded(from: readonly Endpoint[], random: () => number): Endpoint | undefined {
  const first = Math.floor(random() * from.length);
  const a = from[first];
  const b = from[(first + 1 + Math.floor(random() * (from.length - 1))) % from.length];
  return a && b && b.pending < a.pending ? b : a;
}

function firstBack(from: readonly Endpoint[]): Endpoint | undefined {
  return from.reduce<Endpoint | undefined>(
    (best, endpoint) => (best && best.restsUntil <= endpoint.restsUntil ? best : endpoint), undefined);
}

/** Tokens for retries, shared by all calls of a client; a success gives a tenth. */
export class Budget {
  private tenths: number;

  constructor(private readonly tokens: number) {
    this.tenths = 10 * tokens;
  }

  earn(): void {
    this.tenths = Math.min(10 * this.tokens, this.tenths + 1);
  }

  spend(): boolean {
    if (this.tenths < 10) return false;
    this.tenths -= 10;
    return true;
  }
}
