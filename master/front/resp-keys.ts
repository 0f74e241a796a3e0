// The commands of the master that are about many keys: SCAN, RANDOMKEY and the keys of a slot, over the
// whole keyspace. A scan stays with the version it began with (resp/scan-cursor.ts).

import type { KeyspaceView } from '../../proto/gen/stele/v1/view.ts';
import type { PendingReply } from '../../resp/backend.ts';
import type { CommandArguments } from '../../resp/decoder.ts';
import type { ReplyWriter } from '../../resp/encoder.ts';
import { PendingOperation } from '../../resp/pending-operation.ts';
import { scanArguments } from '../../resp/scan-arguments.ts';
import { encodeCursor, snapshotOf, versionOfCursor } from '../../resp/scan-cursor.ts';
import { countedSlot, listedSlot } from '../../resp/slot-arguments.ts';
import type { KeyScanner } from './key-scanner.ts';

/** Commands that `keysReply` answers. */
export const KEYS_COMMANDS: ReadonlySet<string> = new Set([
  'scan',
  'randomkey',
  'cluster|countkeysinslot',
  'cluster|getkeysinslot',
]);

/** Answers one of KEYS_COMMANDS, for a keyspace with a committed version. Throws what the client is told. */
export function keysReply(
  scanner: KeyScanner,
  shardCount: number,
  keyspace: KeyspaceView,
  name: string,
  command: CommandArguments,
): PendingReply {
  const current = { keyspaceUid: keyspace.uid, version: keyspace.currentVersion };
  switch (name) {
    case 'scan':
      return scanReply(scanner, shardCount, keyspace, command);
    case 'randomkey':
      return new PendingOperation(scanner.randomKey(current, keyspace.records), writeKey);
    case 'cluster|countkeysinslot': {
      const count = scanner.countSlot(current, countedSlot(command));
      return new PendingOperation(count, (out, answer) => out.integer(answer));
    }
    default: {
      const { slot, keysMax } = listedSlot(command);
      return new PendingOperation(scanner.slotKeys(current, slot, keysMax), writeKeys);
    }
  }
}

function scanReply(
  scanner: KeyScanner,
  shardCount: number,
  keyspace: KeyspaceView,
  command: CommandArguments,
): PendingReply {
  const { cursor, count, pattern, strings } = scanArguments(command);
  const version = versionOfCursor(cursor, keyspace);
  const target = { keyspaceUid: keyspace.uid, version };
  const end = { keys: [], next: { shard: shardCount, position: 0 } };
  const page = strings ? scanner.scan(target, cursor, count, pattern) : Promise.resolve(end);
  return new PendingOperation(page, (out, { keys, next }) => {
    const isEnd = next.shard >= shardCount;
    out.array(2);
    out.bulkText(isEnd ? '0' : encodeCursor(snapshotOf(keyspace.uid, version), next));
    writeKeys(out, keys);
  });
}

function writeKey(out: ReplyWriter, key: Uint8Array | undefined): void {
  if (key === undefined) out.nil();
  else out.bulk(key);
}

function writeKeys(out: ReplyWriter, keys: readonly Uint8Array[]): void {
  out.array(keys.length);
  for (const key of keys) out.bulk(key);
}
