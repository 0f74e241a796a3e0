// Totals in messages and in archives.

import type { ArchivedTotals } from '../../archive/archived.ts';
import type { RecordTotals } from '../../proto/gen/stele/v1/segment.ts';

const NO_DIGEST = '0'.repeat(32);

/** The totals of a message as an archive has them; none: nothing. */
export function archivedTotals(totals: RecordTotals | undefined): ArchivedTotals {
  if (totals === undefined) return { records: 0, keyBytes: 0, valueBytes: 0, digest: NO_DIGEST };
  const { digest, keyBytes, records, valueBytes } = totals;
  return { records, keyBytes, valueBytes, digest: digest.toString('hex') || NO_DIGEST };
}
