/*
 * Service: what the generated classes stand on.
 */
import { type Operation, replyOf } from "./call.js";
import type { Engine, Options } from "./engine.js";
import type { Group } from "./group.js";
import type { Stream } from "./stream.js";
import type { Answer } from "./transport.js";

export type { Stream };

export class Service {
  constructor(private readonly engine: Engine, private readonly group: Group) {}

  /** The answer of an operation as it came, bytes and headers; an error of the server is thrown. */
  raw(op: Operation, request: object, options?: Options): Promise<Answer> {
    return this.engine.call({ op, request }, this.group, options);
  }

  protected async call<T>(op: Operation, request: object, options?: Options): Promise<T> {
    return replyOf<T>(op, await this.raw(op, request, options), this.engine.grpc);
  }

  protected stream<T>(op: Operation, request: object, options?: Options): Stream<T> {
    return this.engine.stream<T>(op, request, this.group, options);
  }
}
