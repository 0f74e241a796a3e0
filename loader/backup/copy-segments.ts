// Copies the segments that an archive lacks: from a datanode that holds them, checked in full, into
// the store.
//
// If no holder gives a segment, its version is asked for again: its deltas may have been merged, so
// that it has other segments now, or a copy is elsewhere. That goes on until nothing has moved for
// --replica-wait.

import { bodyOfBytes } from '../../archive/open-store.ts';
import { sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import { SegmentFetches } from '../../transport/segment-fetch.ts';
import { forEachBounded } from '../bytes/bounded.ts';
import type { Transfer } from '../transfer/open-transfer.ts';
import { collectAgain } from './collect.ts';
import type { Collected } from './collect.ts';
import { missingSegments } from './missing.ts';
import type { MissingSegment, PresentSegments } from './missing.ts';

const ROUND_PAUSE_MS = 2000;
/** The least time allowed for a transfer, and the slowest acceptable rate without a limit. */
const FETCH_DEADLINE_BASE_MS = 30_000;
const FETCH_BYTES_PER_MS_MIN = 1000;

/** Resolves with the versions whose segments are now all in the archive. */
export async function copySegments(
  transfer: Transfer,
  collected: readonly Collected[],
  present: PresentSegments,
): Promise<readonly Collected[]> {
  const sources = new Sources(transfer);
  let versions = collected;
  let movedAtMs = performance.now();
  try {
    for (;;) {
      const missing = missingSegments(versions, present);
      const bytes = missing.reduce((sum, { info }) => sum + info.fileBytes, 0);
      transfer.progress.begin('copy', missing.length, bytes);
      const failures = await copyAll(transfer, sources, missing, present);
      const [failure] = failures;
      if (failure === undefined) return versions;
      if (failures.length < missing.length) movedAtMs = performance.now();
      else if (performance.now() - movedAtMs > transfer.settings.replicaWait) throw failure;
      transfer.log.warn(`${failures.length} segments are tried again: ${failure.message}`);
      await sleep(ROUND_PAUSE_MS, transfer.stop.signal);
      versions = await collectAgain(transfer, versions);
    }
  } finally {
    sources.close();
  }
}

/**
 * Resolves with the failures of segments that no datanode gave; rejects with those of the store.
 */
async function copyAll(
  transfer: Transfer,
  sources: Sources,
  missing: readonly MissingSegment[],
  present: PresentSegments,
): Promise<SteleError[]> {
  const { archive, memory, paced, progress, settings, stop } = transfer;
  const failures: SteleError[] = [];
  await forEachBounded(missing, settings.transfers, stop, async (segment) => {
    const { fileBytes } = segment.info;
    await memory.acquire(fileBytes);
    try {
      const bytes = await sources.fetch(segment).catch((thrown: unknown) => {
        if (stop.signal.aborted) throw thrown;
        failures.push(toSteleError(thrown));
        return undefined;
      });
      if (bytes === undefined) return;
      await archive.store.put(segment.name, bodyOfBytes(bytes), paced);
      present.set(segment.name, fileBytes);
      progress.done(fileBytes);
    } finally {
      memory.release(fileBytes);
    }
  });
  if (stop.signal.aborted) throw new SteleError('CANCELLED', 'The backup was stopped.');
  return failures;
}

/** The datanodes that segments are fetched from. */
class Sources {
  readonly #transfer: Transfer;
  readonly #fetches = new Map<string, SegmentFetches>();

  constructor(transfer: Transfer) {
    this.#transfer = transfer;
  }

  /** Tries the holders one after the other. Rejects with the failure of the last. */
  async fetch(segment: MissingSegment): Promise<Buffer> {
    const { holders, info, keyspaceUid } = segment;
    let failure = new SteleError(
      'REPLICAS_MISSING',
      `No datanode that answers holds segment ${info.id} of keyspace ${keyspaceUid}; bring the datanodes back (\`stele nodes\`) and run the backup again.`,
    );
    // The first holder differs from shard to shard, so that all datanodes have a part of the work.
    const first = info.shard % Math.max(1, holders.length);
    for (const node of [...holders.slice(first), ...holders.slice(0, first)]) {
      try {
        return await this.#fetchFrom(node, segment);
      } catch (thrown) {
        if (this.#transfer.stop.signal.aborted) throw thrown;
        failure = toSteleError(thrown);
        // Another holder would not be allowed to give it, either.
        if (failure.code === 'PERMISSION_DENIED' || failure.code === 'UNAUTHENTICATED') {
          this.#transfer.stop.abort();
          throw failure;
        }
        this.#transfer.log.warn({ node: node.id, segment: info.id }, failure.message);
      }
    }
    throw failure;
  }

  close(): void {
    for (const fetches of this.#fetches.values()) fetches.close();
  }

  async #fetchFrom(node: NodeView, { info, keyspaceUid }: MissingSegment): Promise<Buffer> {
    const { pace, pool, settings, stop } = this.#transfer;
    const shared = new SharedArrayBuffer(info.fileBytes);
    const bytes = Buffer.from(shared);
    const paced =
      settings.limitRate === 0 ? Infinity : settings.limitRate / 2000 / settings.transfers;
    const perMs = Math.min(FETCH_BYTES_PER_MS_MIN, paced);
    const deadlineMs = Math.ceil(FETCH_DEADLINE_BASE_MS + info.fileBytes / perMs);
    const wish = { keyspaceUid, segmentId: info.id, expectNode: node.id };
    const options = { deadlineMs, signal: stop.signal };
    await this.#fetchesOf(node).fetch(wish, { bytes, pace }, options);
    const segment = { bytes: shared, id: info.id, keyspaceUid, shardCount: undefined };
    await pool.run({ segments: [segment], rowsPath: '' });
    return bytes;
  }

  #fetchesOf(node: NodeView): SegmentFetches {
    const { address, id, incarnation } = node;
    if (address === undefined)
      throw new SteleError('UNAVAILABLE', `Datanode ${id} has no address.`);
    let fetches = this.#fetches.get(incarnation);
    if (fetches === undefined) {
      fetches = new SegmentFetches({ nodeId: id, address }, this.#transfer.dialAs);
      this.#fetches.set(incarnation, fetches);
    }
    return fetches;
  }
}
