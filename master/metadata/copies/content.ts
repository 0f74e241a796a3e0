// A whole catalog outside of its store, and its digest.

import { createHash } from 'node:crypto';
import type { BackupContent } from '../backup.ts';
import type { Entry } from '../port.ts';

export interface CatalogContent extends BackupContent {
  /** Whether the content is that of a backup and nothing was committed since. */
  readonly restored: boolean;
}

export interface ContentSummary {
  readonly entries: number;
  /** Of keys and values, in UTF-8. */
  readonly bytes: number;
  /** SHA-256 over the keys and values, in the order of keys. Revisions differ between stores. */
  readonly digest: string;
}

export function summaryOf(entries: readonly Entry[]): ContentSummary {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const { key, value } of [...entries].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    for (const part of [Buffer.from(key), Buffer.from(value)]) {
      hash.update(`${part.length}:`).update(part);
      bytes += part.length;
    }
  }
  return { entries: entries.length, bytes, digest: hash.digest('hex') };
}
