/*
 * gRPC by @grpc/grpc-js: bytes in, bytes out; messages are proto.ts's. The only
 * file that sees grpc-js. Its own retries are off, because the engine counts
 * attempts.
 */
import * as grpc from "@grpc/grpc-js";
import type { Operation } from "./call.js";
import type { Endpoint } from "./group.js";
import { decode, encode } from "./proto.js";
import { pem, type Tls } from "./tls.js";
import type { GrpcRequest, GrpcTransport, Lost, Received, Source, Step } from "./transport.js";
import { USER_AGENT } from "./version.js";

const NOT_SENT = /no connection established|name resolution failed|ECONNREFUSED/i;
/** What grpc-js says of a connection that ended, under a status that is not UNAVAILABLE. */
const BROKE_OFF = /RST_STREAM|ECONNRESET|EPIPE|ended prematurely|connection dropped/i;

const bytes = (value: Uint8Array): Buffer => Buffer.from(value.buffer, value.byteOffset, value.byteLength);
const buffer = (text: Tls["ca"]): Buffer | null => (text ? Buffer.from(pem(text)) : null);
const same = (value: Buffer): Buffer => value;

function metadataOf(headers: Readonly<Record<string, string>>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers))
    if (name !== "user-agent") metadata.set(name, value);
  return metadata;
}

function headersOf(...parts: readonly (grpc.Metadata | undefined)[]): Headers {
  const headers = new Headers();
  for (const part of parts)
    for (const [name, value] of Object.entries(part?.getMap() ?? {}))
      if (typeof value === "string") headers.set(name, value);
  return headers;
}

/** What a status means: an answer of the server, or that there was none. */
function outcomeOf(status: grpc.StatusObject, initial: grpc.Metadata | undefined, body?: Uint8Array): Received | Lost {
  const headers = headersOf(initial, status.metadata);
  const lost = (why: Lost["why"], sent = true): Lost => ({ lost: status.details, sent, why });
  if (status.code !== 0 && !headers.has("x-error-code")) {
    const { code, details } = status;
    if (code === grpc.status.CANCELLED) return lost("gone"); // not by us: the peer cut it off
    if (code === grpc.status.UNAVAILABLE) return lost("gone", !NOT_SENT.test(details));
    if (code === grpc.status.DEADLINE_EXCEEDED) return lost("late");
    if (code === grpc.status.RESOURCE_EXHAUSTED && /^received message larger/i.test(details)) return lost("broken");
    if ((code === grpc.status.INTERNAL || code === grpc.status.UNKNOWN) && BROKE_OFF.test(details)) return lost("gone");
  }
  return { protocol: "grpc", status: status.code, headers, body: body ?? new Uint8Array(0), message: status.details };
}

export class GrpcJs implements GrpcTransport {
  private readonly channels = new Map<string, grpc.Client>();
  private readonly options: grpc.ClientOptions;

  constructor(private readonly tls: Tls, limit: number) {
    this.options = {
      "grpc.enable_retries": 0,
      "grpc.max_receive_message_length": limit,
      "grpc.max_send_message_length": -1,
      "grpc.max_reconnect_backoff_ms": 2000,
      "grpc.primary_user_agent": USER_AGENT,
    };
  }

  encode(op: Operation, request: object): Uint8Array {
    return encode(op.types, op.request, request);
  }

  decode(op: Operation, body: Uint8Array): object {
    return decode(op.types, op.reply, body);
  }

  private channel(endpoint: Endpoint): grpc.Client {
    const known = this.channels.get(endpoint.url);
    if (known) return known;
    const { ca, key, certificate } = this.tls;
    const channel = new grpc.Client(endpoint.authority, endpoint.tls
      ? grpc.credentials.createSsl(buffer(ca), buffer(key), buffer(certificate)) : grpc.credentials.createInsecure(), this.options);
    this.channels.set(endpoint.url, channel);
    return channel;
  }

  send(step: Step<GrpcRequest>): Promise<Received | Lost> {
    const { request, signal } = step;
    const metadata = metadataOf(step.headers); // throws at line breaks
    return new Promise((resolve, reject) => {
      let initial: grpc.Metadata | undefined;
      let result: Buffer | undefined;
      let problem: grpc.ServiceError | null = null;
      const call = this.channel(step.endpoint).makeUnaryRequest(request.method, bytes, same, request.body, metadata,
        { deadline: Date.now() + step.timeoutMs }, (error, value) => {
          problem = error;
          result = value;
        });
      const leave = () => call.cancel();
      signal?.addEventListener("abort", leave, { once: true });
      if (signal?.aborted) leave();
      call.on("metadata", (received: grpc.Metadata) => {
        initial = received;
      });
      call.on("status", (status: grpc.StatusObject) => { // after the callback
        signal?.removeEventListener("abort", leave);
        if (signal?.aborted) reject(signal.reason);
        else if (status.code === 0 && problem) resolve({ lost: problem.details, sent: true, why: "broken" });
        else resolve(outcomeOf(status, initial, result));
      });
    });
  }

  open(step: Step<GrpcRequest>): Source {
    const deadline = step.timeoutMs === Infinity ? Infinity : Date.now() + step.timeoutMs;
    const call = this.channel(step.endpoint).makeServerStreamRequest(step.request.method, bytes, same,
      step.request.body, metadataOf(step.headers), { deadline });
    let initial: grpc.Metadata | undefined;
    call.on("metadata", (received: grpc.Metadata) => {
      initial = received;
    });
    call.on("error", () => {}); // next() throws it
    const messages = call[Symbol.asyncIterator]();
    return {
      next: async () => (await messages.next()).value as Uint8Array | undefined,
      cancel: () => call.cancel(),
      outcome: (problem) => outcomeOf(problem as grpc.ServiceError, initial),
    };
  }

  close(): void {
    for (const channel of this.channels.values()) channel.close();
    this.channels.clear();
  }
}
