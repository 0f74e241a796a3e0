// What checkpoints and runs are bound to. Anything of another binding is of another load, and is
// discarded, never trusted.

import { createHash } from 'node:crypto';
import { BINDING_BYTES } from '../runs/run-file.ts';
import type { PreparedInput } from '../input/inputs.ts';

/** Raised when the encoding of runs, or the meaning of a dialect, changes. */
const WORK_FORMAT = 2;

/** Of what can be known without the master: inputs, dialect, chunk size, keyspace. */
export function localBinding(
  keyspace: string,
  mode: string,
  prepared: PreparedInput,
  chunkBytes: number,
): string {
  const inputs = prepared.inputs.map((input) => [
    input.path,
    input.sizeBytes,
    input.modifiedMs,
    input.dataStart,
  ]);
  // The identity stands for the content of standard input.
  return hash([WORK_FORMAT, keyspace, mode, inputs, prepared.identity, chunkBytes]);
}

/** Of runs: their rows are grouped by shard, so the number of shards counts too, and no cluster. */
export function runBinding(local: string, shardCount: number): string {
  return hash([local, shardCount]);
}

/** The name of a load's folder in the work folder: one for each keyspace and set of paths. */
export function workFolderName(keyspace: string, paths: readonly string[]): string {
  return hash([keyspace, paths]).slice(0, 16);
}

function hash(parts: readonly unknown[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest();
  return digest.subarray(0, BINDING_BYTES).toString('hex');
}
