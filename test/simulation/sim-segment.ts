// Segments of a simulation: their name says their shard and their content, as real ones' does.

import type { SegmentRecord } from '../../master/catalog/records.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';

/** Contents that a shard may have: few, so that versions have segments in common. */
export const CONTENTS = 2;

/** `00003-<content>-0` */
export function segmentIdOf(shard: number, content: number): string {
  return `${String(shard).padStart(5, '0')}-${String(content).padStart(32, '0')}-00000000`;
}

function shardOfId(id: string): number {
  return Number(id.slice(0, 5));
}

/** What a file of this name must hold, and what the one key of its shard answers. */
export function contentOf(name: string): string {
  return `content of ${name}`;
}

export function isIntact(name: string, content: string): boolean {
  return content === contentOf(name);
}

export function infoOfId(id: string): SegmentInfo {
  const [, digest = ''] = id.split('-');
  return {
    ...{ id, shard: shardOfId(id), fileBytes: 100, records: 1, keyBytes: 1, valueBytes: 1 },
    digest: Buffer.from(digest, 'hex'),
  };
}

export function recordOfId(id: string): SegmentRecord {
  const info = infoOfId(id);
  return { ...info, digest: info.digest.toString('hex') };
}
