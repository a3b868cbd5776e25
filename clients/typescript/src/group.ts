/*
 * The instances that serve one model: which of them to ask, and who rests.
 */

export class Endpoint {
  pending = 0;
  failures = 0;
  restsUntil = 0;

  constructor(readonly url: string) {}
}

export class Group {
  endpoints: Endpoint[] = [];
  /** When the list is asked for again; Infinity: it is fixed. */
  refreshAt = 0;
  refreshing: Promise<void> | undefined;

  constructor(readonly name: string) {}

  /** Takes a new list; who was known keeps its state. */
  replace(urls: readonly string[]): void {
    const known = new Map(this.endpoints.map((endpoint) => [endpoint.url, endpoint]));
    this.endpoints = urls.map((url) => known.get(url) ?? new Endpoint(url));
  }

  /** The least loaded of two well ones that were not tried in this call. */
  choose(tried: ReadonlySet<Endpoint>, random: () => number, now: number): Endpoint | undefined {
    const fresh = this.endpoints.filter((endpoint) => !tried.has(endpoint));
    const well = fresh.filter((endpoint) => endpoint.restsUntil <= now);
    const from = [well, fresh, this.endpoints].find((list) => list.length > 0) ?? [];
    const first = Math.floor(random() * from.length);
    const a = from[first];
    const b = from[(first + 1 + Math.floor(random() * (from.length - 1))) % from.length];
    return a && b && b.pending < a.pending ? b : a;
  }

  hasOther(tried: ReadonlySet<Endpoint>, now: number): boolean {
    return this.endpoints.some((endpoint) => !tried.has(endpoint) && endpoint.restsUntil <= now);
  }

  /** It rests, longer each time, and the registry is asked soon. */
  failed(endpoint: Endpoint, now: number): void {
    endpoint.failures++;
    endpoint.restsUntil = now + Math.min(100 * 2 ** endpoint.failures, 10_000);
    if (this.refreshAt !== Infinity) this.refreshAt = Math.min(this.refreshAt, now + 100);
  }

  well(endpoint: Endpoint): void {
    endpoint.failures = 0;
    endpoint.restsUntil = 0;
  }
}

/** Tokens for retries, shared by all calls of a client. */
export class Budget {
  private tenths = 100;

  earn(): void {
    this.tenths = Math.min(100, this.tenths + 1);
  }

  spend(): boolean {
    if (this.tenths < 10) return false;
    this.tenths -= 10;
    return true;
  }
}
