/* What several tests need: vectors, a REST and a gRPC server that follow a script. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import grpc from "@grpc/grpc-js";
import { health, oip, registry, runtime, text } from "../dist/index.js";

export const SERVICES = { runtime: runtime.ModelRuntime, registry: registry.Registry, text: text.TextModel };
export const APIS = { runtime, registry, text, health, oip };
export const HEALTH = { status: "ok", model: "m", version: "1.2.0" };

export const vectorsOf = (prefix) =>
  JSON.parse(readFileSync(new URL(`../../../gen/vectors/${prefix}.json`, import.meta.url)));

export const failure = (promise) => promise.then(() => assert.fail("no error"), (problem) => problem);

export const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

/** The operation of the contract, "runtime.test_examples". */
export const operationOf = (id) => APIS[id.split(".")[0]][id.split(".")[1].toUpperCase()];

/** Absent, null and empty are the same; bytes are base64. */
export function bare(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, bare(item)])
    .filter(([, item]) => item !== null && !(typeof item === "object" && !Object.keys(item).length)));
}

/** Certificates of an authority "ca", a "server" (localhost) and a "client": pem(name), pem("name-key"). */
export function certificates(t) {
  const folder = mkdtempSync(`${tmpdir()}/specserve-`);
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ["ca", "server", "client"])
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost", "-keyout", `${name}-key.pem`, "-out", `${name}.pem`,
      ...(name === "ca" ? [] : ["-CA", "ca.pem", "-CAkey", "ca-key.pem"])], { cwd: folder, stdio: "ignore" });
  return (name) => readFileSync(`${folder}/${name}.pem`);
}

/** A server that answers by `script(number, request)`; what came is in `seen`. */
export async function serve(t, script) {
  const seen = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      seen.push({ verb: request.method, target: request.url, headers: request.headers,
        body: Buffer.concat(parts).toString() });
      const answer = script(seen.length, request);
      if (answer === "hang") return;
      if (answer === "drop") return void request.socket.destroy();
      response.writeHead(answer.status ?? 200, { "Content-Type": "application/json", ...answer.headers });
      response.end(answer.bytes ?? JSON.stringify(answer.body ?? {}));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${server.address().port}`, seen };
}

/**
 * The same for gRPC: `script(number, call)` gives bytes; or { code, details, trailers },
 * "hang" or "drop"; or a list of these for a stream.
 */
export async function serveGrpc(t, script, credentials = grpc.ServerCredentials.createInsecure()) {
  const seen = [], held = [];
  const same = (bytes) => bytes;
  const server = new grpc.Server();
  const trailersOf = (answer) => {
    const metadata = new grpc.Metadata();
    for (const [name, value] of Object.entries(answer.trailers ?? {})) metadata.set(name, value);
    return metadata;
  };
  const play = (call, path) => {
    seen.push({ method: path, body: call.request, metadata: call.metadata.getMap(), left: call.getDeadline() - Date.now(), call });
    const answer = script(seen.length, call);
    if (answer === "hang") held.push(call);
    if (answer === "drop") server.forceShutdown();
    return typeof answer === "string" ? undefined : answer;
  };
  for (const api of Object.values(APIS))
    for (const op of Object.values(api)) {
      if (!op.method) continue;
      const definition = { path: op.method, requestStream: false, responseStream: op.stream, requestSerialize: same,
        requestDeserialize: same, responseSerialize: (bytes) => Buffer.from(bytes), responseDeserialize: same };
      server.addService({ it: definition }, { it: op.stream ? (call) => {
        const answers = play(call, op.method) ?? [];
        for (const item of answers) {
          if (item instanceof Uint8Array) call.write(item);
          else if (typeof item === "object") call.emit("error", { ...item, metadata: trailersOf(item) });
        }
        if (!answers.includes("hang") && !answers.some((item) => item.code)) call.end();
      } : (call, reply) => {
        const answer = play(call, op.method);
        if (answer instanceof Uint8Array) reply(null, answer);
        else if (answer) reply({ ...answer, metadata: trailersOf(answer) });
      } });
    }
  const port = await new Promise((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", credentials, (problem, bound) => (problem ? reject(problem) : resolve(bound))));
  t.after(() => server.forceShutdown());
  return { url: `grpc://127.0.0.1:${port}`, authority: `localhost:${port}`, seen, stop: () => server.forceShutdown() };
}
