// The commands of a datanode that concern many keys: SCAN, KEYS, DBSIZE, RANDOMKEY and the keys of
// a slot.
//
// All but the last cover the shards for which this node is listed first, as a primary of Redis
// does. So the union over all nodes is the keyspace, with no key twice, and tools that add up
// DBSIZE are right. Shards that a node holds as a replica are visible only to commands that name a
// key or a slot.

import { setImmediate } from 'node:timers/promises';
import { SteleError } from '../../base/errors.ts';
import type { PendingReply } from '../../resp/commands/pending-reply.ts';
import type { BackendCommand } from '../../resp/commands/command-spec.ts';
import type { CommandArguments } from '../../resp/wire/decoder.ts';
import type { ReplyWriter } from '../../resp/wire/encoder.ts';
import {
  collectKeys,
  countKeys,
  keysPattern,
  writeKeys,
  writeScanPage,
} from '../../resp/data/keys-command.ts';
import { PendingOperation } from '../../resp/commands/pending-operation.ts';
import { scanArguments } from '../../resp/data/scan-arguments.ts';
import { encodeCursor, snapshotOf, versionOfCursor } from '../../resp/data/scan-cursor.ts';
import { countedSlot, listedSlot } from '../../resp/cluster/cluster-commands.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import type { Datanode } from '../node.ts';
import { currentTable, keyspaceNamed, primaryShards, tableOfVersion } from './resp-dataset.ts';
import { scanAnywhere } from '../reads/disk-scan.ts';
import { randomKey } from '../reads/scanning.ts';
import type { ScanPage } from '../reads/scanning.ts';
import { holdsShard } from '../storage/version-tables.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/** Records between two pauses of KEYS: well under a millisecond. */
const RECORDS_PER_PIECE = 2000;

type KeysHandler = (
  node: Datanode,
  keyspaceName: string,
  command: CommandArguments,
  out: ReplyWriter,
) => PendingReply | undefined;

/** The handlers answer at once or later; what they throw is sent to the client. */
export const KEYS_HANDLERS = {
  scan: (node, keyspaceName, command, out) => scan(node, command, keyspaceName, out),
  keys: (node, keyspaceName, command) =>
    new PendingOperation(matchingKeys(node, command, keyspaceName), writeKeys),
  dbsize: (node, keyspaceName, _, out) => {
    const shards = primaryShardsHere(node, keyspaceName);
    out.integer(recordsOf(currentTable(node, keyspaceName), shards));
    return undefined;
  },
  randomkey: (node, keyspaceName) => {
    const shards = primaryShardsHere(node, keyspaceName);
    const table = currentTable(node, keyspaceName);
    const found = randomKey(table, shards, Math.random, (from, planOf, limits) =>
      scanAnywhere(node.disk, table, from, planOf, limits),
    );
    return new PendingOperation(found, (out, key) => {
      if (key === undefined) out.nil();
      else out.bulk(key);
    });
  },
  'cluster|countkeysinslot': (node, keyspaceName, command) => {
    const pages = slotPages(node, keyspaceName, countedSlot(command));
    const count =
      pages === undefined ? Promise.resolve(0) : node.longScans.run(() => countKeys(...pages));
    return new PendingOperation(count, (out, answer) => out.integer(answer));
  },
  'cluster|getkeysinslot': (node, keyspaceName, command) => {
    const { slot, keysMax } = listedSlot(command);
    const pages = slotPages(node, keyspaceName, slot);
    const keys =
      pages === undefined
        ? Promise.resolve([])
        : node.longScans.run(() => collectKeys(...pages, keysMax));
    return new PendingOperation(keys, writeKeys);
  },
} satisfies Partial<Record<BackendCommand, KeysHandler>>;

/**
 * The shards for which this node is listed first. Throws UNAVAILABLE if one is not here, because 0
 * would be wrong.
 */
function primaryShardsHere(node: Datanode, keyspaceName: string): number[] {
  const table = currentTable(node, keyspaceName);
  const shards = primaryShards(node);
  const missing = shards.find((shard) => !holdsShard(table, shard));
  if (missing !== undefined) throw notHere(missing, table.version);
  return shards;
}

function notHere(shard: number, version: number): SteleError {
  return new SteleError('UNAVAILABLE', `Shard ${shard} of version ${version} is not here.`);
}

/** The records of some shards; a shard that is not here counts 0. */
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
): PendingReply | undefined {
  const { cursor, count, pattern, strings } = scanArguments(command);
  const keyspace = keyspaceNamed(node, keyspaceName);
  const version = versionOfCursor(cursor, keyspace);
  const table = tableOfVersion(node, keyspace, version);
  const write = (into: ReplyWriter, { keys, next }: Pick<ScanPage, 'keys' | 'next'>): void => {
    const isEnd = next.shard >= table.shards.length;
    const place = isEnd ? '0' : encodeCursor(snapshotOf(keyspace.uid, version), next);
    writeScanPage(into, place, keys);
  };
  if (!strings) {
    write(out, { keys: [], next: { shard: table.shards.length, position: 0 } });
    return undefined;
  }
  const limits = { recordsMax: count, pattern };
  const page = scanAnywhere(node.disk, table, cursor, primaryPlan(node, table), limits);
  if (page instanceof Promise) return new PendingOperation(page, write);
  write(out, page);
  return undefined;
}

/**
 * Plans a scan of the shards for which this node is listed first. Throws UNAVAILABLE if one is not
 * here.
 */
function primaryPlan(node: Datanode, table: VersionTable): (shard: number) => 'scan' | 'skip' {
  const primary = new Set(primaryShards(node));
  return (shard) => {
    if (!primary.has(shard)) return 'skip';
    if (holdsShard(table, shard)) return 'scan';
    throw notHere(shard, table.version);
  };
}

/**
 * KEYS with a pattern that may match several keys: like SCAN, in small pieces, all of one version.
 */
async function matchingKeys(
  node: Datanode,
  command: CommandArguments,
  keyspaceName: string,
): Promise<Uint8Array[]> {
  const table = currentTable(node, keyspaceName);
  const pattern = keysPattern(command, recordsOf(table, primaryShardsHere(node, keyspaceName)));
  const planOf = primaryPlan(node, table);
  return node.longScans.run(() =>
    collectKeys({ from: 0, to: table.shards.length }, async (place) => {
      await setImmediate();
      return scanAnywhere(node.disk, table, place, planOf, {
        recordsMax: RECORDS_PER_PIECE,
        pattern,
      });
    }),
  );
}

/**
 * The keys of a slot, page by page; undefined if the slot is elsewhere. A shard's records are in
 * the order of their hash, so the keys of a slot are spread over all of it, and every key of the
 * shard is read.
 */
function slotPages(
  node: Datanode,
  keyspaceName: string,
  slot: number,
): Parameters<typeof countKeys> | undefined {
  const table = currentTable(node, keyspaceName);
  if (!isHere(node, table, slot)) return undefined;
  const shard = shardOfSlot(slot, table.shards.length);
  const limits = { recordsMax: RECORDS_PER_PIECE, slot };
  const planOf = (each: number): 'scan' | 'stop' => (each === shard ? 'scan' : 'stop');
  return [
    { from: shard, to: shard + 1 },
    async (place) => {
      await setImmediate();
      return scanAnywhere(node.disk, table, place, planOf, limits);
    },
  ];
}

/**
 * Whether the slot is here. Throws UNAVAILABLE if it is not, although the view lists this node for
 * it.
 */
function isHere({ cluster, identity }: Datanode, table: VersionTable, slot: number): boolean {
  const shard = shardOfSlot(slot, table.shards.length);
  if (holdsShard(table, shard)) return true;
  const isOurs = cluster.nodesOfSlot(slot).some(({ id }) => id === identity.nodeId);
  if (isOurs) throw notHere(shard, table.version);
  return false;
}
