// The commands of the master about many keys: SCAN, KEYS, RANDOMKEY and the keys of a slot, over
// the whole keyspace. A scan stays with the version it began with (resp/data/scan-cursor.ts).

import type { KeyspaceView } from '../../../proto/gen/stele/v1/view.ts';
import type { LookupTargetRef } from '../../../proto/ports.ts';
import type { PendingReply } from '../../../resp/commands/pending-reply.ts';
import type { CommandArguments } from '../../../resp/wire/decoder.ts';
import {
  collectKeys,
  keysPattern,
  writeKeys,
  writeScanPage,
} from '../../../resp/data/keys-command.ts';
import { PendingOperation } from '../../../resp/commands/pending-operation.ts';
import { scanArguments } from '../../../resp/data/scan-arguments.ts';
import { encodeCursor, snapshotOf, versionOfCursor } from '../../../resp/data/scan-cursor.ts';
import { countedSlot, listedSlot } from '../../../resp/cluster/cluster-commands.ts';
import type { KeyScanner } from './key-scanner.ts';

const RECORDS_PER_PAGE = 10_000;

/** The source of these commands: a keyspace with a committed version. */
export interface KeysSource {
  readonly scanner: KeyScanner;
  readonly shardCount: number;
  readonly keyspace: KeyspaceView;
}

export function scanReply(source: KeysSource, command: CommandArguments): PendingReply {
  const { scanner, shardCount, keyspace } = source;
  const { cursor, count, pattern, strings } = scanArguments(command);
  const version = versionOfCursor(cursor, keyspace);
  const target = { keyspaceUid: keyspace.uid, version };
  const end = { keys: [], next: { shard: shardCount, position: 0 } };
  const page = strings ? scanner.scan(target, cursor, count, pattern) : Promise.resolve(end);
  return new PendingOperation(page, (out, { keys, next }) => {
    const isEnd = next.shard >= shardCount;
    writeScanPage(out, isEnd ? '0' : encodeCursor(snapshotOf(keyspace.uid, version), next), keys);
  });
}

/** KEYS with a pattern that may match several keys. */
export function matchingKeysReply(source: KeysSource, command: CommandArguments): PendingReply {
  const { scanner, shardCount, keyspace } = source;
  const pattern = keysPattern(command, keyspace.records);
  const keys = collectKeys({ from: 0, to: shardCount }, (place) =>
    scanner.scan(currentOf(keyspace), place, RECORDS_PER_PAGE, pattern),
  );
  return new PendingOperation(keys, writeKeys);
}

export function randomKeyReply({ scanner, keyspace }: KeysSource): PendingReply {
  const key = scanner.randomKey(currentOf(keyspace), keyspace.records);
  return new PendingOperation(key, (out, answer) => {
    if (answer === undefined) out.nil();
    else out.bulk(answer);
  });
}

export function slotCountReply(source: KeysSource, command: CommandArguments): PendingReply {
  const count = source.scanner.countSlot(currentOf(source.keyspace), countedSlot(command));
  return new PendingOperation(count, (out, answer) => out.integer(answer));
}

export function slotKeysReply(source: KeysSource, command: CommandArguments): PendingReply {
  const { slot, keysMax } = listedSlot(command);
  const keys = source.scanner.slotKeys(currentOf(source.keyspace), slot, keysMax);
  return new PendingOperation(keys, writeKeys);
}

function currentOf({ uid, currentVersion }: KeyspaceView): LookupTargetRef {
  return { keyspaceUid: uid, version: currentVersion };
}
