/* What the package offers. Each API is a namespace of its types and its service. */
export { Client, type ClientSettings } from "./client.js";
export type { AttemptEvent, Options } from "./engine.js";
export * as errors from "./api/errors.js";
export { ApiError, BadAnswerError, UnauthenticatedError, UnavailableError } from "./failure.js";
export type { Answer } from "./transport.js";
export * as registry from "./api/registry.js";
export * as runtime from "./api/runtime.js";
export * as text from "./api/text.js";
