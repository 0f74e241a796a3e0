// How a restored version names its source, for people.

import type { Archive } from '../../archive/archive.ts';
import type { ArchivedManifest } from '../../archive/archived.ts';

/** `prices.csv (restored from s3://backups/stele)`; once, however often it is restored. */
export function restoredSource({ version }: ArchivedManifest, { store }: Archive): string {
  const source = version.source.replace(/ \(restored from [^)]*\)$/, '');
  return `${source} (restored from ${store.url})`;
}
