// What a master or a library client asks of this node's keys: pages of a scan, the keys of a slot.

import { SteleError } from '../../base/errors.ts';
import { SCAN_PATTERN_BYTES_MAX, SLOT_COUNT } from '../../base/limits.ts';
import type {
  ListSlotKeysRequest,
  ListSlotKeysResponse,
  ScanKeysRequest,
  ScanKeysResponse,
} from '../../proto/gen/stele/v1/datanode.ts';
import type { Datanode } from '../node.ts';
import { loading } from './resp-dataset.ts';
import { scanHeldShards } from '../reads/scanning.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/** One page of a scan. Throws UNAVAILABLE where the version, or the first shard, is not here. */
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
  };
  const { keys, records, next } = scanHeldShards(table, request, request.skipMissing, limits);
  return { keys, records, nextShard: next.shard, nextPosition: next.position };
}

/** The number of a slot's keys, or some of them. Throws UNAVAILABLE, OVERLOADED. */
export async function listSlotKeys(
  node: Datanode,
  request: ListSlotKeysRequest,
): Promise<ListSlotKeysResponse> {
  const table = tableFor(node, request);
  const { slot, keysMax } = request;
  if (slot >= SLOT_COUNT) throw new SteleError('INVALID_ARGUMENT', `There is no slot ${slot}.`);
  if (keysMax === 0) return { count: await node.slotKeys.count(table, slot), keys: [] };
  const keys = await node.slotKeys.keys(table, slot, keysMax);
  return { count: keys.length, keys };
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
