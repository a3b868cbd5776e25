/*
 * The wire format of protobuf: numbers and bytes, no messages.
 */
import { type Integer, Mismatch } from "./message.js";

export const VARINT = 0, FIXED64 = 1, BLOCK = 2, FIXED32 = 5;

export class Writer {
  private bytes = new Uint8Array(128);
  private view = new DataView(this.bytes.buffer);
  private size = 0;

  private room(size: number): number {
    const at = this.size;
    this.size += size;
    if (this.size > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.size, 2 * this.bytes.length));
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return at;
  }

  private byte(value: number): void {
    const at = this.room(1); // may move `bytes`
    this.bytes[at] = value;
  }

  /** Negative numbers as their 64 bits, as protobuf has them. */
  varint(value: Integer): void {
    if (typeof value === "number" && value >= 0 && value <= 0xffffffff) {
      let left = value;
      for (; left > 127; left = Math.floor(left / 128)) this.byte((left & 127) | 128);
      return this.byte(left);
    }
    let left = BigInt.asUintN(64, BigInt(value));
    for (; left > 127n; left >>= 7n) this.byte(Number(left & 127n) | 128);
    this.byte(Number(left));
  }

  tag(number: number, wire: number): void {
    this.varint(number * 8 + wire);
  }

  float(value: number): void {
    const at = this.room(4);
    this.view.setFloat32(at, value, true);
  }

  double(value: number): void {
    const at = this.room(8);
    this.view.setFloat64(at, value, true);
  }

  raw(bytes: Uint8Array): void {
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }

  block(number: number, bytes: Uint8Array): void {
    this.tag(number, BLOCK);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.size);
  }
}

function broken(): Mismatch {
  return new Mismatch("the answer is not a protobuf message");
}

/** Throws Mismatch at bytes that are no protobuf. */
export class Reader {
  at = 0;
  readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength); // slice() of a Buffer is no copy
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  private take(size: number): number {
    const at = this.at;
    if (size > this.bytes.length - at) throw broken();
    this.at += size;
    return at;
  }

  private byte(): number {
    return this.bytes[this.take(1)] as number;
  }

  /** Unsigned; a bigint from 2^49 on. */
  varint(): Integer {
    let value = 0;
    for (let i = 0, scale = 1; i < 7; i++, scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    let big = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      big |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, big);
    }
    throw broken();
  }

  /** The number of the next field and how it is written. */
  tag(): readonly [number: number, wire: number] {
    const tag = Number(this.varint());
    if (tag < 8 || tag > 0xffffffff) throw broken();
    return [tag >>> 3, tag & 7];
  }

  float(): number {
    return this.view.getFloat32(this.take(4), true);
  }

  double(): number {
    return this.view.getFloat64(this.take(8), true);
  }

  block(): Uint8Array {
    const size = Number(this.varint());
    const at = this.take(size);
    return this.bytes.subarray(at, at + size);
  }

  skip(wire: number): void {
    if (wire === VARINT) this.varint();
    else if (wire === BLOCK) this.block();
    else if (wire === FIXED64 || wire === FIXED32) this.take(wire === FIXED64 ? 8 : 4);
    else throw broken();
  }
}

export function toInt32(value: Integer): number {
  return typeof value === "number" ? value | 0 : Number(BigInt.asIntN(32, value));
}

export function toUint32(value: Integer): number {
  return typeof value === "number" ? value >>> 0 : Number(BigInt.asUintN(32, value));
}

/** Of the 64 bits; a number where it is exact. */
export function toInteger(value: Integer, signed: boolean): Integer {
  if (typeof value === "number") return value;
  const big = signed ? BigInt.asIntN(64, value) : value;
  return Number.isSafeInteger(Number(big)) ? Number(big) : big;
}
