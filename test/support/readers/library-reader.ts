// A reader that uses the library client, and expects it to settle every fault by itself.

import { onTestFinished } from 'vitest';
import type { SteleClient } from '../../../client/stele-client.ts';
import type { VersionedRows } from '../inputs/rows.ts';
import { WrongAnswer } from './read-attempt.ts';
import type { Source } from './read-attempt.ts';
import { Reader } from './reader.ts';

/**
 * Reads batches of 100 keys of `rows` with `getMany`, until the test ends. No read is tried again:
 * what the client does not settle by itself is a failure. `versions` are those that were read.
 */
export function startLibraryReader(
  client: SteleClient,
  keyspace: string,
  rows: VersionedRows,
): Reader & { readonly versions: ReadonlySet<number> } {
  const versions = new Set<number>();
  const source: Source = {
    name: 'getMany',
    read: async (keys) => {
      const { values, version } = await client.getMany(keyspace, keys);
      versions.add(version);
      if (rows.versionOf(keys[0] ?? '', values[0]) === version) return values;
      throw new WrongAnswer(`not of version ${version}: ${String(values[0])}`);
    },
    close: () => undefined,
  };
  const pace = { lanes: 4, budgetMs: 60_000, retries: false };
  const reader = new Reader([source], { rows, keysPerRead: 100, ...pace, seed: 11 });
  onTestFinished(() => reader.stop());
  return Object.assign(reader, { versions });
}
