/*
 * The base of all errors. One subclass per code of the catalogue is in
 * api/errors.ts; a code of a later catalogue is an ApiError itself.
 */
import type { Answer } from "./transport.js";

export type Retry = "NEVER" | "LATER" | "ELSEWHERE";

export interface FailureFacts {
  readonly code: string;
  readonly message: string;
  readonly retry: Retry;
  /** Statuses of the answer, else of the catalogue; 0 and -1: no server says it. */
  readonly http: number;
  readonly grpc: number;
  readonly details: readonly unknown[];
  /** What the server asked to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  readonly requestId: string;
  readonly answer?: Answer | undefined;
}

/** A call that failed. `code` says why; trust it before `http`. */
export class ApiError extends Error {
  readonly code: string;
  readonly retry: Retry;
  readonly http: number;
  readonly grpc: number;
  readonly details: readonly unknown[];
  readonly retryAfterMs: number | undefined;
  readonly requestId: string;
  /** The answer that said so, if one came. */
  readonly answer: Answer | undefined;
  attempts = 1;

  constructor(facts: FailureFacts) {
    super(`${facts.code}: ${facts.message}`);
    this.name = new.target.name;
    this.code = facts.code;
    this.retry = facts.retry;
    this.http = facts.http;
    this.grpc = facts.grpc;
    this.details = facts.details;
    this.retryAfterMs = facts.retryAfterMs;
    this.requestId = facts.requestId;
    this.answer = facts.answer;
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
/** The server's model is not the one that the typed client was made for. */
export class ModelChangedError extends ApiError {}

export interface ErrorRow {
  readonly type: new (facts: FailureFacts) => ApiError;
  readonly retry: Retry;
  readonly http: number;
  readonly grpc: number;
}

/** What no server says itself. */
export const LOCAL: Readonly<Record<string, ErrorRow>> = {
  UNAVAILABLE: { type: UnavailableError, retry: "LATER", http: 0, grpc: -1 },
  UNAUTHENTICATED: { type: UnauthenticatedError, retry: "NEVER", http: 0, grpc: -1 },
  MODEL_CHANGED: { type: ModelChangedError, retry: "NEVER", http: 0, grpc: -1 },
  BAD_ANSWER: { type: BadAnswerError, retry: "NEVER", http: 0, grpc: -1 },
};
