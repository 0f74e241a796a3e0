// The fingerprint of a version's input (`--skip-if-current`): the content of the inputs, and every
// flag that decides the result.
//
//     fingerprint = hash( names, sizes, times, dialects | CRC32 of all data | flags )
//
// A load computes the CRC32 without reading again: each chunk has its own, and those of adjacent
// chunks combine to that of the whole, however the input was cut. Only a load with the flag reads
// the data for it, before it begins.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { SteleError } from '../../base/errors.ts';
import { tickLimiter } from '../bytes/bounded.ts';
import { inputChanged } from '../input/inputs.ts';
import type { InputFile } from '../input/inputs.ts';
import { loadSettings } from '../settings.ts';
import type { LoadSettings } from '../settings.ts';

/** Flags that say where, how fast and how safely a load runs, and do not affect its result. */
const FLAGS_OF_THE_RUN: ReadonlySet<string> = new Set<keyof LoadSettings>([
  'master',
  'chunkSize',
  'workers',
  'memoryMax',
  'rejects',
  'workDir',
  'noResume',
  'minReplicas',
  'archive',
  'maxBytesPerSecond',
  'replicaWait',
  'tier',
  'skipIfCurrent',
  's3Endpoint',
  's3Region',
]);
const READ_BYTES = 1024 * 1024;
/** The generator of CRC-32, bits reversed. */
const POLYNOMIAL = 0xedb88320;

/** Hash of all flags of `stele load`, the gate included, except FLAGS_OF_THE_RUN. */
export function flagsKey(settings: LoadSettings): string {
  const values: Readonly<Record<string, unknown>> = { ...settings };
  const names = Object.keys(loadSettings.options).filter((name) => !FLAGS_OF_THE_RUN.has(name));
  return hashOf(names.map((name) => [name, values[name]]));
}

/** The fingerprint of a version; `identity` is that of `PreparedInput`. */
export function versionFingerprint(identity: string, contentCrc: number, flags: string): string {
  return hashOf([identity, contentCrc, flags]);
}

/** CRC32 of the concatenated data of all inputs, from the CRC32s of its consecutive parts. */
export function combineCrcs(
  parts: readonly { readonly crc: number; readonly byteCount: number }[],
): number {
  return parts.reduce((crc, part) => (shifted(crc, part.byteCount) ^ part.crc) >>> 0, 0);
}

/**
 * The same CRC32, computed by reading the inputs. Throws INPUT_CHANGED, CANCELLED, and I/O errors.
 */
export async function readContentCrc(
  inputs: readonly InputFile[],
  signal: AbortSignal,
  onRead: (byteCount: number) => void,
): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  let crc = 0;
  const tickEnd = tickLimiter();
  for (const input of inputs) {
    // The identity of the input has it.
    if (input.contentCrc !== undefined) continue;
    const file = openSync(input.readPath, 'r');
    try {
      for (let at = input.dataStart; at < input.sizeBytes;) {
        const got = readSync(file, buffer, 0, Math.min(READ_BYTES, input.sizeBytes - at), at);
        if (got === 0) throw inputChanged(input);
        crc = crc32(buffer.subarray(0, got), crc);
        at += got;
        onRead(got);
        await tickEnd();
        if (signal.aborted) throw new SteleError('CANCELLED', 'Stopped while reading the input.');
      }
    } finally {
      closeSync(file);
    }
  }
  return crc;
}

/**
 * `crc` after `byteCount` further zero bytes: multiplied by x^(8 byteCount) modulo the generator.
 */
function shifted(crc: number, byteCount: number): number {
  let product = crc;
  // x^8, then its square, and so on: reversed, x^n is bit 31 - n.
  let power = 1 << (31 - 8);
  for (let left = byteCount; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) product = times(product, power);
    power = times(power, power);
  }
  return product;
}

/** The product of two polynomials modulo the generator, bits reversed. */
function times(one: number, other: number): number {
  let product = 0;
  let factor = other;
  for (let bit = 31; bit >= 0; bit--) {
    if (((one >>> bit) & 1) === 1) product ^= factor;
    factor = (factor & 1) === 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product;
}

/** SHA-256 of `parts` as JSON, hex. */
export function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
