// The keys that `stele bench` reads: from a file, one a line, or those that a scan finds.

import { readFileSync } from 'node:fs';
import { SteleError, systemErrorCode } from '../../base/errors.ts';
import type { RespClient } from '../../client/resp-client.ts';
import { scanKeys } from '../repl/tools/scan-keys.ts';

const SCAN_COUNT = 1000;

/** Throws INPUT_NOT_FOUND for a file that cannot be read or has no keys. */
export function keysInFile(path: string, keysMax: number): Buffer[] {
  try {
    const lines = readFileSync(path, 'latin1').split('\n');
    const keys = lines.map((line) => line.replace(/\r$/, '')).filter((line) => line !== '');
    return requireKeys(
      keys.slice(0, keysMax).map((line) => Buffer.from(line, 'latin1')),
      path,
    );
  } catch (thrown) {
    if (thrown instanceof SteleError) throw thrown;
    const text = `The file of keys ${path} cannot be read (${systemErrorCode(thrown) ?? 'unknown'}); check --keys-from.`;
    throw new SteleError('INPUT_NOT_FOUND', text, { cause: thrown });
  }
}

/** Up to `keysMax` keys of the selected keyspace. Throws what the server answers. */
export async function scannedKeys(client: RespClient, keysMax: number): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  const asked = { execute: (args: readonly string[]) => client.send(args) };
  for await (const batch of scanKeys(asked, { count: SCAN_COUNT, intervalMs: 0 })) {
    for (const key of batch) keys.push(Buffer.from(key));
    if (keys.length >= keysMax) break;
  }
  return keys.slice(0, keysMax);
}

/** Throws INPUT_NOT_FOUND if there are none. */
export function requireKeys(keys: Buffer[], where: string): Buffer[] {
  if (keys.length > 0) return keys;
  throw new SteleError(
    'INPUT_NOT_FOUND',
    `There are no keys in ${where}, so there is nothing to read.`,
  );
}
