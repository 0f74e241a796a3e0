// The commands of a datanode that are about many keys: SCAN, DBSIZE, RANDOMKEY and the keys of a slot.
//
// SCAN, DBSIZE and RANDOMKEY speak of the shards that this node is named first for, as a primary of
// Redis does: so the union over all nodes is the keyspace, with no key twice, and tools that add up
// DBSIZE are right. What a node holds as a replica it shows only to those who ask for a key or a slot.

import { SteleError } from '../base/errors.ts';
import type { PendingReply } from '../resp/backend.ts';
import type { CommandArguments } from '../resp/decoder.ts';
import type { ReplyWriter } from '../resp/encoder.ts';
import { PendingOperation } from '../resp/pending-operation.ts';
import { scanArguments } from '../resp/scan-arguments.ts';
import { encodeCursor, snapshotOf, versionOfCursor } from '../resp/scan-cursor.ts';
import { countedSlot, listedSlot } from '../resp/slot-arguments.ts';
import { shardOfSlot } from '../ring/shard.ts';
import type { Datanode } from './node.ts';
import { currentTable, keyspaceNamed, primaryShards, tableOfVersion } from './resp-dataset.ts';
import { randomKey, scanTable } from './scanning.ts';
import type { VersionTable } from './version-tables.ts';

/** Commands that `writeKeysReply` answers. */
export const KEYS_COMMANDS: ReadonlySet<string> = new Set([
  'scan',
  'dbsize',
  'randomkey',
  'cluster|countkeysinslot',
  'cluster|getkeysinslot',
]);

/** Answers one of KEYS_COMMANDS, at once or later. Throws what the client is told. */
export function writeKeysReply(
  node: Datanode,
  name: string,
  command: CommandArguments,
  keyspaceName: string,
  out: ReplyWriter,
): PendingReply | undefined {
  switch (name) {
    case 'scan':
      scan(node, command, keyspaceName, out);
      return undefined;
    case 'dbsize':
      out.integer(
        recordsOf(currentTable(node, keyspaceName), primaryShardsHere(node, keyspaceName)),
      );
      return undefined;
    case 'randomkey': {
      const shards = primaryShardsHere(node, keyspaceName);
      const key = randomKey(currentTable(node, keyspaceName), shards, Math.random);
      if (key === undefined) out.nil();
      else out.bulk(key);
      return undefined;
    }
    default:
      return slotReply(node, name, command, currentTable(node, keyspaceName));
  }
}

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
  const primary = new Set(primaryShards(node));
  const planOf = (shard: number): 'scan' | 'skip' => {
    if (!primary.has(shard)) return 'skip';
    if (table.shards[shard] !== undefined) return 'scan';
    throw notHere(shard, version);
  };
  const { keys, next } = scanTable(table, cursor, planOf, { recordsMax: count, pattern });
  const isEnd = next.shard >= table.shards.length;
  writePage(out, isEnd ? '0' : encodeCursor(snapshotOf(keyspace.uid, version), next), keys);
}

function writePage(out: ReplyWriter, cursor: string, keys: readonly Buffer[]): void {
  out.array(2);
  out.bulkText(cursor);
  writeKeyArray(out, keys);
}

function writeKeyArray(out: ReplyWriter, keys: readonly Buffer[]): void {
  out.array(keys.length);
  for (const key of keys) out.bulk(key);
}

/** As in Redis these are about the keys that are here: of a slot that is elsewhere there are none. */
function slotReply(
  node: Datanode,
  name: string,
  command: CommandArguments,
  table: VersionTable,
): PendingReply {
  if (name === 'cluster|countkeysinslot') {
    const slot = countedSlot(command);
    const count = isHere(node, table, slot) ? node.slotKeys.count(table, slot) : Promise.resolve(0);
    return new PendingOperation(count, (out, answer) => out.integer(answer));
  }
  const { slot, keysMax } = listedSlot(command);
  const keys = isHere(node, table, slot)
    ? node.slotKeys.keys(table, slot, keysMax)
    : Promise.resolve([]);
  return new PendingOperation(keys, writeKeyArray);
}

/** Throws UNAVAILABLE for a slot that this node is named for, and does not have. */
function isHere({ cluster, identity }: Datanode, table: VersionTable, slot: number): boolean {
  const shard = shardOfSlot(slot, table.shards.length);
  if (table.shards[shard] !== undefined) return true;
  const isOurs = cluster.nodesOfSlot(slot).some(({ id }) => id === identity.nodeId);
  if (isOurs) throw notHere(shard, table.version);
  return false;
}
