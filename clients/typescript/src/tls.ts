/*
 * TLS: what a client trusts and what it shows, as PEM texts.
 */

/** Without `ca`, what the system trusts is trusted. */
export interface Tls {
  readonly ca?: string | Uint8Array;
  /** Our own, for mutual TLS. */
  readonly certificate?: string | Uint8Array;
  readonly key?: string | Uint8Array;
}

export function pem(text: string | Uint8Array): string {
  return typeof text === "string" ? text : new TextDecoder().decode(text);
}
