// Reads a segment of an archive into memory that threads share.

import { segmentObject } from '../../archive/layout.ts';
import type { ArchivedSegment } from '../../archive/archived.ts';
import type { Transfer } from '../transfer/open-transfer.ts';

/**
 * The caller has reserved the memory, and checks the bytes. Throws NOT_FOUND, CORRUPT, UNAVAILABLE.
 */
export async function readSegment(
  { archive, paced }: Transfer,
  keyspaceUid: string,
  { fileBytes, id }: ArchivedSegment,
): Promise<SharedArrayBuffer> {
  const bytes = new SharedArrayBuffer(fileBytes);
  await archive.store.read(segmentObject(keyspaceUid, id), Buffer.from(bytes), 0, paced);
  return bytes;
}
