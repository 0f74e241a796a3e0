// Answers one batch of lookups: packed keys in, packed results out, in pieces.
//
// A long batch is answered in several messages of about 1 MiB, and the event loop may run between
// them, so that one batch of large values neither fills memory nor delays other readers.

import { requireRight } from '../../access/subject.ts';
import type { Subject } from '../../access/subject.ts';
import { tickNowMs } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { LOOKUP_BATCH_KEYS_MAX, LOOKUP_REPLY_SOFT_BYTES } from '../../base/limits.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { FRAME_HEAD_BYTES, PackedWriter, readKeys } from '../../proto/lookup-protocol.ts';
import type { LookupReply, LookupRequestFrame } from '../../proto/lookup-protocol.ts';
import { PROBE_TARGET } from '../../proto/ports.ts';
import type { NodeIdentity } from '../identity.ts';
import { lastHit } from './lookup.ts';
import type { DiskReads } from './disk-reads.ts';
import { LateBatch } from './late-batch.ts';
import type { LookupAnswerer } from './lookup-server.ts';
import { READ_AHEAD_KEYS, ReadAhead } from './read-ahead.ts';
import type { ReadCounters } from '../read-stats/read-counters.ts';
import type { VersionTable, VersionTables } from '../storage/version-tables.ts';

const NO_BYTES = Buffer.alloc(0);

/** Where batches are looked up and counted. */
interface BatchSource {
  readonly tables: Pick<VersionTables, 'get'>;
  readonly counters: Pick<ReadCounters, 'lookups'>;
}

/** The keyspaces of the view, by uid. */
interface Keyspaces {
  keyspaceOf(uid: string): { readonly name: string } | undefined;
}

/** For replies that are sent later: one per thread, because it is empty between two replies. */
const lateWriter = new PackedWriter(64 * 1024, FRAME_HEAD_BYTES);
/** One per thread. Batches that interleave only lose each other's read-ahead. */
const ahead = new ReadAhead();
/** Average size of a result lately, in bytes; sizes the buffer of the next batch. */
let resultBytes = 64;

/** Answers the requests of lookup connections from the segments that `node` holds. */
export function answererOf(
  node: BatchSource & {
    readonly counters: ReadCounters;
    readonly identity: NodeIdentity;
    readonly cluster: Keyspaces;
    readonly disk: DiskReads;
  },
): LookupAnswerer {
  return {
    expect: (nodeId) => node.identity.expect(nodeId, ''),
    answer: (request, into, subject) => {
      if (subject !== undefined) requireTargets(subject, request, node.cluster);
      return answerBatch(request, node, into);
    },
    answerLate: (request, send, onEnd, subject) => {
      const tables = request.targets.map(({ keyspaceUid, version }) =>
        node.tables.get(keyspaceUid, version),
      );
      if (!tables.some((table) => table?.isAnyOnDisk === true)) return undefined;
      if (subject !== undefined) requireTargets(subject, request, node.cluster);
      checkCount(request);
      const beganMs = tickNowMs();
      node.counters.lookups += readsIn(request);
      return new LateBatch(request, {
        disk: node.disk,
        tables,
        writer: lateWriter,
        send,
        onEnd: () => {
          node.counters.latency.lookups.record(tickNowMs() - beganMs, readsIn(request));
          onEnd();
        },
      });
    },
    onAnswered: (request, tookMs) => node.counters.latency.lookups.record(tookMs, readsIn(request)),
  };
}

/** Throws PERMISSION_DENIED and UNAUTHENTICATED. */
function requireTargets(
  subject: Subject,
  { targets }: LookupRequestFrame,
  cluster: Keyspaces,
): void {
  if (subject.isCluster) return;
  for (const { keyspaceUid } of targets) {
    requireRight(subject, 'read', cluster.keyspaceOf(keyspaceUid)?.name ?? '');
  }
}

/**
 * Yields the replies to one request, each for consecutive keys. `results` includes the head that
 * `writer` leaves free. The request's `keys` may be replaced by a copy between two replies. Throws
 * INVALID_ARGUMENT if the bytes are not a batch.
 */
function* answerBatch(
  request: LookupRequestFrame,
  { counters, tables }: BatchSource,
  writer = new PackedWriter(request.count * resultBytes * 1.25),
): Generator<LookupReply> {
  checkCount(request);
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

/** Throws BATCH_TOO_LARGE. */
function checkCount({ count }: LookupRequestFrame): void {
  if (count <= LOOKUP_BATCH_KEYS_MAX) return;
  throw new SteleError(
    'BATCH_TOO_LARGE',
    `A batch has ${count} keys; at most ${LOOKUP_BATCH_KEYS_MAX} are allowed.`,
  );
}

/** The keys of a batch, without the master's probe, which is one key and not a user's read. */
function readsIn({ count, targets }: LookupRequestFrame): number {
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
  if (status === LookupStatus.OK)
    writer.addResult(status, lastHit.bytes, lastHit.start, lastHit.end);
  else writer.addResult(status, NO_BYTES, 0, 0);
}
