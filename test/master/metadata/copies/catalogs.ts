// Catalogs for the tests of copies: with many entries, and with values that etcd has to cut.

import { createHash } from 'node:crypto';
import { silentLogger } from '../../../../base/log.ts';
import { openEmbeddedMetadata } from '../../../../master/metadata/embedded.ts';
import { EtcdPlace } from '../../../../master/metadata/copies/etcd-place.ts';
import type { CatalogContent } from '../../../../master/metadata/copies/content.ts';
import type { EtcdApi } from '../../../../master/metadata/etcd/api.ts';
import type { Entry, Metadata } from '../../../../master/metadata/port.ts';
import { layout } from '../etcd/leading.ts';

/** JSON text of about `length` characters that cannot be compressed to much less. */
function large(name: string, length: number): string {
  const parts = Array.from({ length: Math.ceil(length / 44) }, (_, at) =>
    createHash('sha256').update(`${name}${at}`).digest('base64'),
  );
  return JSON.stringify(parts.join(''));
}

/** More than one transaction of etcd has, in no order. */
export const MANY: readonly Entry[] = [
  { key: 'manifest/1', value: large('m', 700_000), revision: 3 },
  { key: 'cluster/', value: '{"id":"c"}', revision: 1 },
  ...Array.from({ length: 150 }, (_, at) => ({
    key: `event/${at}`,
    value: JSON.stringify(`é${at}`.repeat(at)),
    revision: 4 + at,
  })),
  { key: 'manifest/2', value: large('n', 1_500_000), revision: 4 },
];

export function contentOf(entries = MANY, restored = false): CatalogContent {
  return { revision: 200, entries, restored };
}

/** What counts of entries, with digests of large values: revisions differ between stores. */
export function plain(entries: readonly Entry[]): Record<string, string> {
  return Object.fromEntries(
    entries.map(({ key, value }) => {
      const digest = createHash('sha256').update(value).digest('hex');
      return [key, value.length < 100 ? value : digest];
    }),
  );
}

export function etcdPlace(api: EtcdApi): EtcdPlace {
  return new EtcdPlace('etcd://test:2379/stele/test/', api, layout.prefix, silentLogger);
}

/** Gives the master's folder at `folder` a catalog. */
export async function fillFolder(folder: string, entries = MANY): Promise<void> {
  const metadata: Metadata = await openEmbeddedMetadata(folder, silentLogger);
  for (const { key, value } of entries) await metadata.transaction([{ kind: 'put', key, value }]);
  await metadata.close();
}
