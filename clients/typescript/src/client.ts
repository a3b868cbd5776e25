/*
 * Client: the one object that a program makes; see README.md.
 */
import { Registry } from "./api/registry.js";
import { ModelRuntime } from "./api/runtime.js";
import { rawOperation } from "./call.js";
import { Engine, type Options, type Settings } from "./engine.js";
import { Group } from "./group.js";
import type { Answer, GrpcTransport } from "./transport.js";

export interface ClientSettings extends Settings {
  /** Where the registry is; models are found by their names then. */
  readonly registry?: string;
  /** Fixed replicas instead. */
  readonly endpoints?: string | readonly string[];
}

type ServiceType<T> = new (engine: Engine, group: Group) => T;

export class Client {
  private readonly engine: Engine;
  private readonly groups = new Map<string, Group>();
  private readonly fixed: Group | undefined;

  /** `grpc` is what specserve/grpc adds. */
  constructor(settings: ClientSettings, grpc?: GrpcTransport) {
    const endpoints = [settings.endpoints ?? []].flat();
    if (endpoints.length > 0 === !!settings.registry)
      throw new TypeError("a client needs one of 'registry' and 'endpoints'");
    this.engine = new Engine(settings, grpc);
    if (settings.registry) this.engine.registry = new Group("registry", [settings.registry]);
    else this.fixed = new Group("endpoints", endpoints);
  }

  /** The served model of this name; with fixed endpoints the name may be left out. */
  model(name = ""): ModelRuntime {
    return this.service(ModelRuntime, name);
  }

  /** Another API of the server of this model. */
  service<T>(type: ServiceType<T>, name = ""): T {
    return new type(this.engine, this.group(name));
  }

  /** The registry's own API; of fixed endpoints, if they are registries. */
  get registry(): Registry {
    return new Registry(this.engine, (this.engine.registry ?? this.fixed) as Group);
  }

  /** Any request over REST, with this client's endpoints; repeated only if its verb may be. */
  raw(verb: string, target: string,
      more: Options & { readonly name?: string; readonly body?: string | Uint8Array } = {}): Promise<Answer> {
    if (!/^[A-Za-z]+$/.test(verb)) throw new TypeError(`${JSON.stringify(verb)} is no verb of HTTP`);
    if (!/^\/[!-~]*$/.test(target)) // it would go on where the address ends
      throw new TypeError(`${JSON.stringify(target)} is no path: it starts with "/" and is escaped`);
    return this.engine.call({ op: rawOperation(verb), request: {},
      raw: { verb, target, body: more.body, headers: {} } }, this.group(more.name ?? ""), more);
  }

  /** Gives the connections back; later calls fail. May be repeated. */
  close(): void {
    this.engine.close();
  }

  private group(name: string): Group {
    if (this.fixed) return this.fixed;
    if (!name) throw new TypeError("the registry finds models by their names");
    const group = this.groups.get(name) ?? new Group(name);
    this.groups.set(name, group);
    return group;
  }
}
