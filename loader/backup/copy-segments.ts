// Copies the segments that an archive lacks: from a datanode that holds them, checked in full, into
// the store.

import { bodyOfBytes } from '../../archive/open-store.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { forEachBounded } from '../bytes/bounded.ts';
import type { Transfer } from '../transfer/open-transfer.ts';
import { inRounds } from '../transfer/rounds.ts';
import type { Round } from '../transfer/rounds.ts';
import { SegmentSources } from '../transfer/segment-sources.ts';
import { collectAgain } from './collect.ts';
import type { Collected } from './collect.ts';
import { missingSegments } from './missing.ts';
import type { MissingSegment, PresentSegments } from './missing.ts';

/** Resolves with the versions whose segments are now all in the archive. */
export async function copySegments(
  transfer: Transfer,
  collected: readonly Collected[],
  present: PresentSegments,
): Promise<readonly Collected[]> {
  const sources = new SegmentSources(transfer);
  let versions = collected;
  const copyMissing = (): Promise<Round> => {
    const missing = missingSegments(versions, present);
    const bytes = missing.reduce((sum, { info }) => sum + info.fileBytes, 0);
    transfer.progress.begin('copy', missing.length, bytes);
    return copyAll(transfer, sources, missing, present);
  };
  try {
    await inRounds(transfer, copyMissing, async () => {
      versions = await collectAgain(transfer, versions);
    });
    return versions;
  } finally {
    sources.close();
  }
}

/** Rejects with the failures of the store; those of datanodes are in the result. */
async function copyAll(
  transfer: Transfer,
  sources: SegmentSources,
  missing: readonly MissingSegment[],
  present: PresentSegments,
): Promise<Round> {
  const { archive, memory, paced, pool, progress, settings, stop } = transfer;
  const failures: SteleError[] = [];
  await forEachBounded(missing, settings.transfers, stop, async (segment) => {
    const { info, keyspaceUid, name } = segment;
    const { fileBytes, id } = info;
    const check = async (bytes: SharedArrayBuffer): Promise<Buffer> => {
      const one = { bytes, id, keyspaceUid, shardCount: undefined };
      await pool.run({ segments: [one], rowsPath: '' });
      return Buffer.from(bytes);
    };
    await memory.acquire(fileBytes);
    try {
      const bytes = await sources.fetch(segment, check).catch((thrown: unknown) => {
        if (stop.signal.aborted) throw thrown;
        failures.push(toSteleError(thrown));
        return undefined;
      });
      if (bytes === undefined) return;
      await archive.store.put(name, bodyOfBytes(bytes), paced);
      present.set(name, fileBytes);
      progress.done(fileBytes);
    } finally {
      memory.release(fileBytes);
    }
  });
  if (stop.signal.aborted) throw new SteleError('CANCELLED', 'The backup was stopped.');
  return { done: missing.length - failures.length, failures };
}
