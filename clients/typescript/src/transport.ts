/*
 * One REST request by fetch: an answer, or why there is none.
 */

export interface Request {
  readonly url: string;
  readonly verb: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The largest answer that is read, in bytes. */
  readonly limit: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** No answer. */
export interface Lost {
  readonly message: string;
  /** Bytes of the request may have gone out. */
  readonly sent: boolean;
  readonly why: "gone" | "late" | "broken";
}

const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT"]);

function causeOf(problem: unknown): string {
  const cause = (problem as { cause?: { code?: unknown } }).cause;
  return typeof cause?.code === "string" ? cause.code : "";
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

/** Throws only what the caller's own signal was aborted with. */
export async function send(fetcher: typeof fetch, request: Request): Promise<Answer | Lost> {
  const stop = new AbortController();
  const leave = () => stop.abort();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop.abort();
  }, request.timeoutMs);
  request.signal?.addEventListener("abort", leave);
  try {
    request.signal?.throwIfAborted();
    const response = await fetcher(request.url, {
      method: request.verb,
      headers: request.headers,
      redirect: "manual",
      signal: stop.signal,
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    const body = await readBody(response, request.limit);
    return { status: response.status, headers: response.headers, body };
  } catch (problem) {
    request.signal?.throwIfAborted();
    if (late) return { message: "no answer in time", sent: true, why: "late" };
    const code = causeOf(problem);
    const broken = problem instanceof TooLarge || code.startsWith("HPE_") ||
      code === "UND_ERR_HEADERS_OVERFLOW";
    return {
      message: `${String(problem)}${code && ` (${code})`}`,
      sent: !NEVER_SENT.has(code),
      why: broken ? "broken" : "gone",
    };
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener("abort", leave);
  }
}
