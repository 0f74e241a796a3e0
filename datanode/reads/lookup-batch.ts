// Answers one batch of lookups: packed keys in, packed results out, in pieces.
//
// A long batch is answered in several messages of about 1 MiB, and the loop may be left between them,
// so that one batch of large values neither fills memory nor holds up other readers.

import { SteleError } from '../../base/errors.ts';
import { LOOKUP_BATCH_KEYS_MAX, LOOKUP_REPLY_SOFT_BYTES } from '../../base/limits.ts';
import { PackedWriter, readKeys } from '../../proto/lookup-codec.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type { LookupReply, LookupRequestFrame } from '../../proto/lookup-protocol.ts';
import { PROBE_TARGET } from '../../proto/ports.ts';
import { found } from './lookup.ts';
import { READ_AHEAD_KEYS, ReadAhead } from './read-ahead.ts';
import type { VersionTable, VersionTables } from '../storage/version-tables.ts';

const NO_BYTES = Buffer.alloc(0);

/** What batches are answered from, and counted in. */
export interface LookupServer {
  readonly tables: VersionTables;
  readonly counters: { lookups: number };
}

/** One for the thread: batches may take turns with it, which costs them no more than its help. */
const ahead = new ReadAhead();
/** What an answer to one key has taken lately, on average: as much is reserved for the next batch. */
let resultBytes = 64;

/**
 * Yields the replies to one request, each covering consecutive keys; `results` has the head that `writer`
 * leaves free. The request's `keys` may be replaced by a copy between two replies. Throws INVALID_ARGUMENT
 * for bytes that are not a batch.
 */
export function* answerBatch(
  request: LookupRequestFrame,
  { counters, tables }: LookupServer,
  writer = new PackedWriter(request.count * resultBytes * 1.25),
): Generator<LookupReply> {
  if (request.count > LOOKUP_BATCH_KEYS_MAX) {
    throw new SteleError(
      'BATCH_TOO_LARGE',
      `A batch has ${request.count} keys; at most ${LOOKUP_BATCH_KEYS_MAX} are allowed.`,
    );
  }
  const targets = request.targets.map((target) => tables.get(target.keyspaceUid, target.version));
  const entries = new Int32Array(request.count * 3);
  readKeys(request.keys, request.count, (index, target, start, end) => {
    entries[index * 3] = target;
    entries[index * 3 + 1] = start;
    entries[index * 3 + 2] = end;
  });
  let first = 0;
  for (let index = 0; index < request.count; index++) {
    if (index % READ_AHEAD_KEYS === 0) noteKeys(request.keys, entries, index, targets);
    const table = targets[entries[index * 3] ?? 0];
    answerKey(
      writer,
      table,
      request.keys,
      entries[index * 3 + 1] ?? 0,
      entries[index * 3 + 2] ?? 0,
    );
    if (writer.byteLength < LOOKUP_REPLY_SOFT_BYTES && index + 1 < request.count) continue;
    const count = index + 1 - first;
    resultBytes += (writer.byteLength / count - resultBytes) / 8;
    yield { id: request.id, first, count, results: writer.take() };
    first = index + 1;
  }
  counters.lookups += readsIn(request);
}

/** Keys of a batch. The master's probe is one key, and no read of anybody. */
export function readsIn({ count, targets }: LookupRequestFrame): number {
  const isProbe = targets.some(({ keyspaceUid }) => keyspaceUid === PROBE_TARGET.keyspaceUid);
  return isProbe ? count - 1 : count;
}

function noteKeys(
  keys: Buffer,
  entries: Int32Array,
  first: number,
  targets: readonly (VersionTable | undefined)[],
): void {
  ahead.clear();
  // With one key there is nothing to overlap.
  if (entries.length === 3) return;
  const end = Math.min(entries.length / 3, first + READ_AHEAD_KEYS);
  for (let index = first; index < end; index++) {
    const table = targets[entries[index * 3] ?? 0];
    if (table === undefined) continue;
    ahead.note(keys, entries[index * 3 + 1] ?? 0, entries[index * 3 + 2] ?? 0, table);
  }
  ahead.touch();
}

function answerKey(
  writer: PackedWriter,
  table: VersionTable | undefined,
  keys: Buffer,
  start: number,
  end: number,
): void {
  const status =
    table === undefined ? LookupStatus.UNAVAILABLE : ahead.lookup(keys, start, end, table);
  if (status === LookupStatus.OK) writer.addResult(status, found.bytes, found.start, found.end);
  else writer.addResult(status, NO_BYTES, 0, 0);
}
