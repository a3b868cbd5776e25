/*
 * Stream: messages of a server as they come, an async iterator.
 *
 * Opened by the first next(). Ends with the server, or when the caller leaves
 * the loop or calls close(): the server is told then.
 */

/** What a stream reads from. */
export interface Feed<T> {
  /** undefined: the server ended it. */
  next(): Promise<T | undefined>;
  cancel(): void;
  /** What a problem of next() means. */
  error(problem: unknown): unknown;
}

export class Stream<T> implements AsyncIterableIterator<T> {
  private feed: Promise<Feed<T>> | undefined;
  private ended = false;
  private readonly leave = (): void => this.close();

  constructor(private readonly open: () => Promise<Feed<T>>, private readonly signal?: AbortSignal) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<T>> {
    this.signal?.throwIfAborted();
    if (this.ended) return { done: true, value: undefined };
    if (!this.feed) {
      this.feed = this.open();
      this.signal?.addEventListener("abort", this.leave, { once: true });
    }
    return this.read(this.feed);
  }

  private async read(opened: Promise<Feed<T>>): Promise<IteratorResult<T>> {
    let feed: Feed<T> | undefined;
    try {
      feed = await opened;
      if (!this.ended) {
        const value = await feed.next();
        if (value !== undefined && !this.ended) return { done: false, value };
      }
    } catch (problem) {
      if (!this.ended) {
        this.close();
        throw feed ? feed.error(problem) : problem;
      }
    }
    this.close();
    this.signal?.throwIfAborted();
    return { done: true, value: undefined };
  }

  /** What `break` in a loop calls. */
  async return(): Promise<IteratorResult<T>> {
    this.close();
    return { done: true, value: undefined };
  }

  /** Tells the server that nobody listens any more; may be repeated. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.signal?.removeEventListener("abort", this.leave);
    this.feed?.then((feed) => feed.cancel(), () => {});
  }
}
