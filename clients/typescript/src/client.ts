/*
 * Client: the one object that a program makes; see README.md.
 */
import { Registry } from "./api/registry.js";
import { ModelRuntime } from "./api/runtime.js";
import { Engine, type Options, type Settings } from "./engine.js";
import { Group } from "./group.js";
import type { Answer } from "./transport.js";

export interface ClientSettings extends Settings {
  /** Where the registry is; models are found by their names then. */
  readonly registry?: string;
  /** Fixed replicas instead. */
  readonly endpoints?: string | readonly string[];
}

type ServiceType<T> = new (engine: Engine, group: Group) => T;

function fixed(name: string, urls: string | readonly string[]): Group {
  const group = new Group(name);
  group.replace([urls].flat().map((url) => {
    const parsed = new URL(url);
    if (parsed.protocol !== "http:" && parsed.protocol !== "https:")
      throw new TypeError(`${url}: http:// or https:// is expected`);
    return parsed.origin + parsed.pathname.replace(/\/$/, "");
  }));
  group.refreshAt = Infinity;
  return group;
}

export class Client {
  private readonly engine: Engine;
  private readonly groups = new Map<string, Group>();
  private readonly fixed: Group | undefined;

  constructor(settings: ClientSettings) {
    if (!settings.registry && !settings.endpoints)
      throw new TypeError("a client needs 'registry' or 'endpoints'");
    this.engine = new Engine(settings);
    if (settings.registry) this.engine.registry = fixed("registry", settings.registry);
    if (settings.endpoints) this.fixed = fixed("endpoints", settings.endpoints);
  }

  /** The served model of this name; with fixed endpoints the name may be left out. */
  model(name = ""): ModelRuntime {
    return this.service(ModelRuntime, name);
  }

  /** Another API of the server of this model. */
  service<T>(type: ServiceType<T>, name = ""): T {
    return new type(this.engine, this.group(name));
  }

  get registry(): Registry {
    const group = this.engine.registry;
    if (!group) throw new TypeError("the client was made without 'registry'");
    return new Registry(this.engine, group);
  }

  /** Any request; it is repeated only if its verb is GET. */
  raw(verb: string, target: string, more: Options & { readonly name?: string; readonly body?: string } = {}):
      Promise<Answer> {
    return this.engine.call({ id: "raw", verb, target, body: more.body, headers: {},
      safety: verb === "GET" ? "read" : "once", timeoutMs: 0 }, this.group(more.name ?? ""), more);
  }

  private group(name: string): Group {
    if (this.fixed) return this.fixed;
    if (!name) throw new TypeError("the registry finds models by their names");
    const group = this.groups.get(name) ?? new Group(name);
    this.groups.set(name, group);
    return group;
  }
}
