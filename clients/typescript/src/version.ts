/* What the package calls itself; package.json says the same. */
export const VERSION = "0.1.0";

interface Host {
  readonly process?: { readonly versions?: { readonly node?: string } };
  readonly Deno?: { readonly version: { readonly deno: string } };
}

function runtime(): string {
  const { process, Deno } = globalThis as Host;
  if (Deno) return `deno/${Deno.version.deno}`;
  return process?.versions?.node ? `node/${process.versions.node}` : "javascript";
}

export const USER_AGENT = `specserve-typescript/${VERSION} ${runtime()}`;
