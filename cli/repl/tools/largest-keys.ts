// `stele cli --bigkeys` and `--memkeys`: the largest values of a keyspace, by STRLEN or by MEMORY
// USAGE.

import type { Reply } from '../../../client/resp-client.ts';
import { formatBytes } from '../../../base/units.ts';
import type { Output } from '../../output.ts';
import { quote } from '../format-reply.ts';
import type { CliSession } from '../repl-session.ts';
import { scanKeys } from './scan-keys.ts';
import type { KeyScan } from './scan-keys.ts';

/** How many of the largest keys the summary names. */
const LARGEST_MAX = 10;

/** `length`: bytes of the value. `memory`: bytes of the record, as MEMORY USAGE says. */
export type SizeOf = 'length' | 'memory';

interface Sized {
  readonly key: Buffer;
  readonly bytes: number;
}

/** Prints each key that is larger than all before it, then the largest ones and the sums. */
export async function printLargestKeys(
  session: CliSession,
  output: Output,
  sizeOf: SizeOf,
  scan: KeyScan,
): Promise<void> {
  const largest: Sized[] = [];
  let [keys, total] = [0, 0];
  for await (const batch of scanKeys(session, scan)) {
    const sizes = await sizesOf(session, batch, sizeOf);
    for (const [at, key] of batch.entries()) {
      const bytes = sizes[at] ?? 0;
      keys++;
      total += bytes;
      if (bytes > (largest[0]?.bytes ?? -1)) output.line(foundLine({ key, bytes }));
      keep(largest, { key, bytes });
    }
  }
  output.line(summary(largest, keys, total));
}

async function sizesOf(
  session: CliSession,
  keys: readonly Buffer[],
  sizeOf: SizeOf,
): Promise<number[]> {
  const command = sizeOf === 'length' ? ['STRLEN'] : ['MEMORY', 'USAGE'];
  // On one connection, so the commands of a batch are one pipeline.
  const replies = await Promise.all(keys.map((key) => session.execute([...command, key])));
  return replies.map(integerOf);
}

/** A key that is gone, as its version was replaced meanwhile, counts as empty. */
function integerOf(reply: Reply | undefined): number {
  return reply?.type === 'integer' ? reply.value : 0;
}

/** Puts it where it belongs among the largest ones, largest first. */
function keep(largest: Sized[], sized: Sized): void {
  const at = largest.findIndex(({ bytes }) => bytes < sized.bytes);
  if (at < 0 && largest.length >= LARGEST_MAX) return;
  largest.splice(at < 0 ? largest.length : at, 0, sized);
  if (largest.length > LARGEST_MAX) largest.pop();
}

function foundLine({ key, bytes }: Sized): string {
  return `the largest so far: ${quote(key)} with ${formatBytes(bytes)}`;
}

function summary(largest: readonly Sized[], keys: number, total: number): string {
  if (keys === 0) return 'There are no keys.';
  const width = Math.max(...largest.map(({ bytes }) => formatBytes(bytes).length));
  const lines = largest.map(
    ({ key, bytes }) => `  ${formatBytes(bytes).padStart(width)}  ${quote(key)}`,
  );
  const average = formatBytes(Math.round(total / keys));
  return [
    '',
    'the largest:',
    ...lines,
    '',
    `${keys} keys, ${formatBytes(total)}, ${average} on average`,
  ].join('\n');
}
