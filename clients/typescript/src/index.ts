/*
 * What the package offers. Each API is a namespace of its types and its service;
 * `health` and `oip` (Open Inference Protocol) have gRPC forms only.
 */
export { answerOf, type Operation } from "./call.js";
export { Client, type ClientSettings } from "./client.js";
export type { AttemptEvent, Options } from "./engine.js";
export * as errors from "./api/errors.js";
export { ApiError, BadAnswerError, ModelChangedError, UnauthenticatedError, UnavailableError } from "./failure.js";
export type { Stream } from "./stream.js";
export type { Answer } from "./transport.js";
export { type InputFacts, type ModelFacts, type OutputFacts, TypedModel } from "./typed.js";
export * as health from "./api/health.js";
export * as oip from "./api/oip.js";
export * as registry from "./api/registry.js";
export * as runtime from "./api/runtime.js";
export * as text from "./api/text.js";
