// The commands of a datanode that are about many keys: SCAN, KEYS, DBSIZE, RANDOMKEY and the keys of a slot.
//
// All but the latter speak of the shards that this node is named first for, as a primary of
// Redis does: so the union over all nodes is the keyspace, with no key twice, and tools that add up
// DBSIZE are right. What a node holds as a replica it shows only to those who ask for a key or a slot.

import { setImmediate } from 'node:timers/promises';
import { SteleError } from '../../base/errors.ts';
import type { PendingReply } from '../../resp/commands/backend.ts';
import type { BackendCommand } from '../../resp/commands/command-spec.ts';
import type { CommandArguments } from '../../resp/wire/decoder.ts';
import type { ReplyWriter } from '../../resp/wire/encoder.ts';
import { collectKeys, keysPattern, writeKeys } from '../../resp/commands/keys-command.ts';
import { PendingOperation } from '../../resp/commands/pending-operation.ts';
import { scanArguments } from '../../resp/commands/scan-arguments.ts';
import { encodeCursor, snapshotOf, versionOfCursor } from '../../resp/commands/scan-cursor.ts';
import { countedSlot, listedSlot } from '../../resp/commands/slot-arguments.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import type { Datanode } from '../node.ts';
import { currentTable, keyspaceNamed, primaryShards, tableOfVersion } from './resp-dataset.ts';
import { randomKey, scanTable } from '../reads/scanning.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/** Records between two pauses of KEYS: well under a millisecond. */
const RECORDS_PER_PIECE = 2000;

type KeysHandler = (
  node: Datanode,
  keyspaceName: string,
  command: CommandArguments,
  out: ReplyWriter,
) => PendingReply | undefined;

/** They answer at once or later, and throw what the client is told. */
export const KEYS_HANDLERS = {
  scan: (node, keyspaceName, command, out) => {
    scan(node, command, keyspaceName, out);
    return undefined;
  },
  keys: (node, keyspaceName, command) =>
    new PendingOperation(matchingKeys(node, command, keyspaceName), writeKeys),
  dbsize: (node, keyspaceName, _, out) => {
    const shards = primaryShardsHere(node, keyspaceName);
    out.integer(recordsOf(currentTable(node, keyspaceName), shards));
    return undefined;
  },
  randomkey: (node, keyspaceName, _, out) => {
    const shards = primaryShardsHere(node, keyspaceName);
    const key = randomKey(currentTable(node, keyspaceName), shards, Math.random);
    if (key === undefined) out.nil();
    else out.bulk(key);
    return undefined;
  },
  'cluster|countkeysinslot': (node, keyspaceName, command) => {
    const table = currentTable(node, keyspaceName);
    const slot = countedSlot(command);
    const count = isHere(node, table, slot) ? node.slotKeys.count(table, slot) : Promise.resolve(0);
    return new PendingOperation(count, (out, answer) => out.integer(answer));
  },
  'cluster|getkeysinslot': (node, keyspaceName, command) => {
    const table = currentTable(node, keyspaceName);
    const { slot, keysMax } = listedSlot(command);
    const keys = isHere(node, table, slot)
      ? node.slotKeys.keys(table, slot, keysMax)
      : Promise.resolve([]);
    return new PendingOperation(keys, writeKeys);
  },
} satisfies Partial<Record<BackendCommand, KeysHandler>>;

/** The shards that this node is named first for. Throws UNAVAILABLE where one of them is not here: 0 would be wrong. */
function primaryShardsHere(node: Datanode, keyspaceName: string): number[] {
  const table = currentTable(node, keyspaceName);
  const shards = primaryShards(node);
  const missing = shards.find((shard) => table.shards[shard] === undefined);
  if (missing !== undefined) throw notHere(missing, table.version);
  return shards;
}

function notHere(shard: number, version: number): SteleError {
  return new SteleError('UNAVAILABLE', `Shard ${shard} of version ${version} is not here.`);
}

/** Records of some shards, as far as they are here. */
export function recordsOf(table: VersionTable, shards: readonly number[]): number {
  let records = 0;
  for (const shard of shards) records += table.recordsByShard[shard] ?? 0;
  return records;
}

function scan(
  node: Datanode,
  command: CommandArguments,
  keyspaceName: string,
  out: ReplyWriter,
): void {
  const { cursor, count, pattern, strings } = scanArguments(command);
  const keyspace = keyspaceNamed(node, keyspaceName);
  const version = versionOfCursor(cursor, keyspace);
  const table = tableOfVersion(node, keyspace, version);
  if (!strings) return writePage(out, '0', []);
  const { keys, next } = scanTable(table, cursor, primaryPlan(node, table), {
    recordsMax: count,
    pattern,
  });
  const isEnd = next.shard >= table.shards.length;
  writePage(out, isEnd ? '0' : encodeCursor(snapshotOf(keyspace.uid, version), next), keys);
}

/** Scans the shards that this node is named first for. Throws UNAVAILABLE where one of them is not here. */
function primaryPlan(node: Datanode, table: VersionTable): (shard: number) => 'scan' | 'skip' {
  const primary = new Set(primaryShards(node));
  return (shard) => {
    if (!primary.has(shard)) return 'skip';
    if (table.shards[shard] !== undefined) return 'scan';
    throw notHere(shard, table.version);
  };
}

/** KEYS with a pattern that may match several: as SCAN, in small pieces, all of one version. */
async function matchingKeys(
  node: Datanode,
  command: CommandArguments,
  keyspaceName: string,
): Promise<Uint8Array[]> {
  const table = currentTable(node, keyspaceName);
  const pattern = keysPattern(command, recordsOf(table, primaryShardsHere(node, keyspaceName)));
  const planOf = primaryPlan(node, table);
  return collectKeys(table.shards.length, async (place) => {
    await setImmediate();
    return scanTable(table, place, planOf, { recordsMax: RECORDS_PER_PIECE, pattern });
  });
}

function writePage(out: ReplyWriter, cursor: string, keys: readonly Buffer[]): void {
  out.array(2);
  out.bulkText(cursor);
  writeKeys(out, keys);
}

/** Throws UNAVAILABLE for a slot that this node is named for, and does not have. */
function isHere({ cluster, identity }: Datanode, table: VersionTable, slot: number): boolean {
  const shard = shardOfSlot(slot, table.shards.length);
  if (table.shards[shard] !== undefined) return true;
  const isOurs = cluster.nodesOfSlot(slot).some(({ id }) => id === identity.nodeId);
  if (isOurs) throw notHere(shard, table.version);
  return false;
}
