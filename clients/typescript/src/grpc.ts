/*
 * specserve/grpc: all of specserve, with a Client that speaks gRPC, too. Needs
 * @grpc/grpc-js beside it.
 */
import { Client as RestClient, type ClientSettings } from "./client.js";
import { GrpcJs } from "./grpc_transport.js";
import { tlsFetch } from "./node.js";
import type { Tls } from "./tls.js";

export * from "./index.js";
export { UNKNOWN } from "./proto.js";
export type { Tls };

export interface GrpcClientSettings extends ClientSettings {
  /** What is trusted and shown over grpcs:// and, without a `fetch` of your own, https://. */
  readonly tls?: Tls;
}

/** grpc:// and grpcs:// endpoints, streams, `health` and `oip`; http:// is REST as before. */
export class Client extends RestClient {
  constructor(settings: GrpcClientSettings) {
    super(settings.tls && !settings.fetch ? { ...settings, fetch: tlsFetch(settings.tls) } : settings,
      new GrpcJs(settings.tls ?? {}, settings.maxAnswerBytes ?? 64 << 20));
  }
}
