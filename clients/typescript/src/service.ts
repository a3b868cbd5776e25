/*
 * Service: what the generated classes stand on.
 */
import { type Operation, prepare, replyOf } from "./call.js";
import type { Engine, Options } from "./engine.js";
import type { Group } from "./group.js";

export class Service {
  constructor(private readonly engine: Engine, private readonly group: Group) {}

  protected async call<T>(op: Operation, request: object, options?: Options): Promise<T> {
    return replyOf<T>(op, await this.engine.call(prepare(op, request), this.group, options));
  }
}
