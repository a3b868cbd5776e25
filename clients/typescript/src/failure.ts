/*
 * The base of all errors. One subclass per code of the catalogue is in
 * api/errors.ts; a code of a later catalogue is an ApiError itself.
 */

export type Retry = "NEVER" | "LATER" | "ELSEWHERE";

export interface FailureFacts {
  readonly code: string;
  readonly message: string;
  readonly retry: Retry;
  /** Status of the answer; 0: there was none. */
  readonly http: number;
  readonly details: readonly unknown[];
  /** What the server asked to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  readonly requestId: string;
}

/** A call that failed. `code` says why; trust it before `http`. */
export class ApiError extends Error {
  readonly code: string;
  readonly retry: Retry;
  readonly http: number;
  readonly details: readonly unknown[];
  readonly retryAfterMs: number | undefined;
  readonly requestId: string;
  attempts = 1;

  constructor(facts: FailureFacts) {
    super(`${facts.code}: ${facts.message}`);
    this.name = new.target.name;
    this.code = facts.code;
    this.retry = facts.retry;
    this.http = facts.http;
    this.details = facts.details;
    this.retryAfterMs = facts.retryAfterMs;
    this.requestId = facts.requestId;
  }

  get retryable(): boolean {
    return this.retry !== "NEVER";
  }
}

/** Nobody of ours answered: no connection, or a proxy in between. */
export class UnavailableError extends ApiError {}
/** The server, or something before it, wants to know who calls. */
export class UnauthenticatedError extends ApiError {}
/** The answer is not what the contract promises. */
export class BadAnswerError extends ApiError {}

export interface ErrorRow {
  readonly type: new (facts: FailureFacts) => ApiError;
  readonly retry: Retry;
}

/** What no server says itself. */
export const LOCAL: Readonly<Record<string, ErrorRow>> = {
  UNAVAILABLE: { type: UnavailableError, retry: "LATER" },
  UNAUTHENTICATED: { type: UnauthenticatedError, retry: "NEVER" },
  BAD_ANSWER: { type: BadAnswerError, retry: "NEVER" },
};
