// Conversion between the catalog's records and the messages of loaders and datanodes.

import { SteleError } from '../../base/errors.ts';
import { parseSegmentId } from '../../base/segment-name.ts';
import type { AppendOutcome } from '../../proto/gen/stele/v1/load.ts';
import type { Manifest, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import type { Tier } from '../../proto/gen/stele/v1/view.ts';
import { TIER_WORDS, tierNumber, tierWord } from '../../proto/view-words.ts';
import type { TierWord } from '../../proto/view-words.ts';
import type {
  AppendRecord,
  KeyspaceRecord,
  ManifestRecord,
  SegmentRecord,
  VersionRecord,
} from './records.ts';
import { totalsMessage } from './totals.ts';

/** Throws INVALID_ARGUMENT for a tier that this release does not know. */
export function tierOfMessage(tier: Tier): TierWord {
  const word = tierWord(tier);
  if (tierNumber(word) === tier) return word;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `This master does not know tier ${tier}, only ${TIER_WORDS.join(' and ')}.`,
  );
}

/** Throws INVALID_ARGUMENT for an invalid segment id. */
export function segmentRecord(info: SegmentInfo): SegmentRecord {
  return { ...info, id: parseSegmentId(info.id), digest: info.digest.toString('hex') };
}

export function segmentInfo(record: SegmentRecord): SegmentInfo {
  return { ...record, digest: Buffer.from(record.digest, 'hex') };
}

/** Hex digits of a fingerprint in messages. */
const FINGERPRINT_DIGITS = 16;

/**
 * Identifies the content of a version and the segments it was committed with. A version of the same
 * number with another fingerprint is another version. Merging deltas does not change it.
 */
export function fingerprintOf({
  digest,
  fingerprint = digest,
}: Pick<VersionRecord, 'digest' | 'fingerprint'>): string {
  return fingerprint.slice(0, FINGERPRINT_DIGITS);
}

type DescribedVersion = Pick<
  VersionRecord,
  'number' | 'records' | 'keyBytes' | 'valueBytes' | 'digest' | 'fingerprint'
>;

/** The message for datanodes. `revision`: see revisionOf in queries.ts. */
export function manifestMessage(
  keyspace: KeyspaceRecord,
  version: DescribedVersion,
  manifest: ManifestRecord,
  { revision, shardCount }: { readonly revision: number; readonly shardCount: number },
): Manifest {
  return {
    keyspaceUid: keyspace.uid,
    keyspace: keyspace.name,
    version: version.number,
    fingerprint: fingerprintOf(version),
    shardCount,
    segments: manifest.segments.map(segmentInfo),
    records: version.records,
    keyBytes: version.keyBytes,
    valueBytes: version.valueBytes,
    digest: Buffer.from(version.digest, 'hex'),
    revision,
    overwritten: Object.entries(manifest.overwritten ?? {}).map(([segmentId, totals]) => ({
      segmentId,
      totals: totalsMessage(totals),
    })),
  };
}

export function appendMessage({ base, ...counts }: AppendRecord): AppendOutcome {
  return { baseVersion: base, ...counts };
}
