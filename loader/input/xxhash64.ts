// XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), seed 0: the checksum of
// the content in zstd frames, which fzstd does not check.
//
//     input:  | 32 bytes: lane 0, 1, 2, 3 |  ...  | rest < 32 bytes |
//     lane =  rotl(lane + 8 bytes x P2, 31) x P1
//
// A lane is two 32-bit halves, because JavaScript has no fast 64-bit product. The final step, once
// per frame, uses BigInt.
//
// Hot loop: `stripes`, plain arithmetic on numbers; nothing is allocated.

const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const P1_HIGH = 0x9e3779b1 | 0;
const P1_LOW = 0x85ebca87 | 0;
const P2_HIGH = 0xc2b2ae3d | 0;
const P2_LOW = 0x27d4eb4f | 0;
const STRIPE_BYTES = 32;
const MASK = (1n << 64n) - 1n;

/** Takes bytes in pieces of any size. */
export class XxHash64 {
  /** High and low half of each lane. */
  readonly #lanes = new Int32Array(8);
  readonly #rest = Buffer.alloc(STRIPE_BYTES);
  #restBytes = 0;
  #byteCount = 0;

  constructor() {
    [P1 + P2, P2, 0n, -P1].forEach((value, lane) => {
      this.#lanes[lane * 2] = Number(BigInt.asIntN(32, value >> 32n));
      this.#lanes[lane * 2 + 1] = Number(BigInt.asIntN(32, value));
    });
  }

  update(bytes: Uint8Array): void {
    this.#byteCount += bytes.length;
    let at = 0;
    if (this.#restBytes > 0) {
      at = Math.min(bytes.length, STRIPE_BYTES - this.#restBytes);
      this.#rest.set(bytes.subarray(0, at), this.#restBytes);
      this.#restBytes += at;
      if (this.#restBytes < STRIPE_BYTES) return;
      stripes(this.#lanes, this.#rest, 0, STRIPE_BYTES);
    }
    const end = bytes.length - ((bytes.length - at) % STRIPE_BYTES);
    stripes(this.#lanes, bytes, at, end);
    this.#rest.set(bytes.subarray(end));
    this.#restBytes = bytes.length - end;
  }

  /** The 64-bit hash of all bytes so far. */
  digest(): bigint {
    let hash = this.#byteCount >= STRIPE_BYTES ? merge(this.#lanes) : P5;
    hash = (hash + BigInt(this.#byteCount)) & MASK;
    const rest = this.#rest.subarray(0, this.#restBytes);
    let at = 0;
    for (; at + 8 <= rest.length; at += 8) {
      hash = rotate(hash ^ round(0n, rest.readBigUInt64LE(at)), 27n) * P1 + P4;
      hash &= MASK;
    }
    if (at + 4 <= rest.length) {
      hash = rotate(hash ^ ((BigInt(rest.readUInt32LE(at)) * P1) & MASK), 23n) * P2 + P3;
      hash &= MASK;
      at += 4;
    }
    for (; at < rest.length; at++) {
      hash = (rotate(hash ^ ((BigInt(rest[at] as number) * P5) & MASK), 11n) * P1) & MASK;
    }
    hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
    hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
    return hash ^ (hash >> 32n);
  }
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK;
}

function round(lane: bigint, input: bigint): bigint {
  return (rotate((lane + input * P2) & MASK, 31n) * P1) & MASK;
}

function merge(lanes: Int32Array): bigint {
  const values = [0, 2, 4, 6].map(
    (at) =>
      (BigInt.asUintN(32, BigInt(lanes[at] as number)) << 32n) |
      BigInt.asUintN(32, BigInt(lanes[at + 1] as number)),
  );
  let hash = 0n;
  for (const [index, bits] of [1n, 7n, 12n, 18n].entries()) {
    hash = (hash + rotate(values[index] as bigint, bits)) & MASK;
  }
  for (const value of values) hash = ((hash ^ round(0n, value)) * P1 + P4) & MASK;
  return hash;
}

/** The high half of the low 64 bits of a product; the low half is `Math.imul(aLow, bLow)`. */
function multiplyHigh(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const low = Math.imul(a0, b0);
  const left = Math.imul(a1, b0);
  const right = Math.imul(a0, b1);
  const middle = (low >>> 16) + (left & 0xffff) + (right & 0xffff);
  const crossed = (Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0;
  return (Math.imul(a1, b1) + (left >>> 16) + (right >>> 16) + (middle >>> 16) + crossed) | 0;
}

function stripes(lanes: Int32Array, bytes: Uint8Array, start: number, end: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = start; at < end; at += STRIPE_BYTES) {
    for (let lane = 0; lane < 8; lane += 2) {
      const inputLow = view.getInt32(at + lane * 4, true);
      const inputHigh = view.getInt32(at + lane * 4 + 4, true);
      // lane + input x P2
      const productLow = Math.imul(inputLow, P2_LOW);
      const productHigh = multiplyHigh(inputHigh, inputLow, P2_HIGH, P2_LOW);
      const low = ((lanes[lane + 1] as number) + productLow) | 0;
      const carry = low >>> 0 < productLow >>> 0 ? 1 : 0;
      const high = ((lanes[lane] as number) + productHigh + carry) | 0;
      // rotated by 31
      const turnedLow = (low << 31) | (high >>> 1);
      const turnedHigh = (high << 31) | (low >>> 1);
      lanes[lane + 1] = Math.imul(turnedLow, P1_LOW);
      lanes[lane] = multiplyHigh(turnedHigh, turnedLow, P1_HIGH, P1_LOW);
    }
  }
}
