/*
 * specserve/node: a fetch of Node that trusts and shows what it is told, because
 * the one that is built in takes no certificates. Not for browsers.
 */
import { type ClientRequest, type IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { Readable } from "node:stream";
import { pem, type Tls } from "./tls.js";

export type { Tls };

/** Statuses whose answers have no body. */
const EMPTY = new Set([204, 205, 304]);

function responseOf(message: IncomingMessage): Response {
  const headers = new Headers();
  for (let i = 0; i + 1 < message.rawHeaders.length; i += 2)
    headers.append(message.rawHeaders[i] as string, message.rawHeaders[i + 1] as string);
  const status = message.statusCode ?? 0;
  const body = EMPTY.has(status) ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>);
  if (!body) message.resume();
  return new Response(body, { status, headers });
}

function answerTo(sent: ClientRequest): Promise<Response> {
  return new Promise((resolve, reject) => {
    sent.on("response", (message) => {
      try {
        resolve(responseOf(message));
      } catch (problem) { // no status that fetch knows
        sent.destroy();
        reject(problem);
      }
    });
    sent.on("error", reject);
  });
}

/** For `fetch` of a client's settings: no redirects, connections are kept. http:// is the built-in one's. */
export function tlsFetch({ ca, certificate, key }: Tls): typeof fetch {
  const agent = new Agent({ keepAlive: true, minVersion: "TLSv1.2",
    ...(ca && { ca: pem(ca) }), ...(certificate && { cert: pem(certificate) }), ...(key && { key: pem(key) }) });
  return async (input, init = {}) => {
    const url = new URL(String(input));
    if (url.protocol !== "https:") return fetch(input, init);
    const headers = Object.fromEntries(new Headers(init.headers));
    const sent = request(url, { agent, method: init.method ?? "GET", headers,
      ...(init.signal ? { signal: init.signal } : {}) });
    const answer = answerTo(sent);
    sent.end(init.body ?? undefined);
    return answer;
  };
}
