// Answers scans of this node's keys for a master or a library client, a page at a time.

import { SteleError } from '../../base/errors.ts';
import { SCAN_PATTERN_BYTES_MAX } from '../../base/limits.ts';
import type { ScanKeysRequest, ScanKeysResponse } from '../../proto/gen/stele/v1/datanode.ts';
import type { Datanode } from '../node.ts';
import { loading } from './resp-dataset.ts';
import { scanAnywhere } from '../reads/disk-scan.ts';
import { planOfHeld } from '../reads/scanning.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/** One page of a scan. Throws UNAVAILABLE if the version, or the first shard, is not here. */
export async function scanKeys(
  node: Datanode,
  request: ScanKeysRequest,
): Promise<ScanKeysResponse> {
  if (request.pattern.length > SCAN_PATTERN_BYTES_MAX) {
    const text = `A pattern has at most ${SCAN_PATTERN_BYTES_MAX} bytes; this one has ${request.pattern.length}.`;
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  const table = tableFor(node, request);
  const limits = {
    recordsMax: request.recordsMax,
    pattern: request.pattern.length === 0 ? undefined : request.pattern,
    slot: request.slot,
  };
  const planOf = planOfHeld(table, request, request.skipMissing, request.slot);
  const { keys, next, records } = await scanAnywhere(node.disk, table, request, planOf, limits);
  return { keys, records, nextShard: next.shard, nextPosition: next.position };
}

function tableFor(
  node: Datanode,
  target: {
    readonly expectNode: string;
    readonly keyspaceUid: string;
    readonly version: number;
  },
): VersionTable {
  node.identity.expect(target.expectNode, '');
  const table = node.tables.get(target.keyspaceUid, target.version);
  if (table !== undefined) return table;
  if (node.cluster.view === undefined) throw loading();
  throw new SteleError(
    'UNAVAILABLE',
    `Version ${target.version} is not held by ${node.identity.nodeId}.`,
  );
}
