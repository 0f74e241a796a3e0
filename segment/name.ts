// What a segment is called: `<shard>-<digest>-<crc of the CRC table>`, e.g.
//
//     00017-3f1c0d9a52b64e7788a1c9d0e5f60718-9ae0c1d2.seg
//     shard  what it holds                    which bytes
//
// Two files of one name have the same bytes: the checksum of the CRC table covers header, index and
// records. Two of one digest but another checksum hold the same pairs in another keyspace.

import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';

const FILE_ENDING = '.seg';
const ID_PATTERN = /^([0-9]{5})-([0-9a-f]{32})-([0-9a-f]{8})$/;

/** The parts of a segment's id. */
export interface SegmentName {
  readonly shard: number;
  /** 32 hex digits. */
  readonly digestHex: string;
  readonly tableCrc: number;
}

export function segmentId(shard: number, digestHex: string, tableCrc: number): string {
  return `${segmentIdPrefix(shard, digestHex)}${tableCrc.toString(16).padStart(8, '0')}`;
}

/** What the ids of all segments of a shard begin with that hold the records of this digest. */
export function segmentIdPrefix(shard: number, digestHex: string): string {
  return `${String(shard).padStart(5, '0')}-${digestHex}-`;
}

/** Takes an id apart. Throws INVALID_ARGUMENT for anything else: ids become file names. */
export function parseSegmentId(id: string): SegmentName {
  const match = ID_PATTERN.exec(id);
  if (match === null) {
    throw new SteleError('INVALID_ARGUMENT', `'${shorten(id)}' is not the id of a segment.`);
  }
  const [, shard = '', digestHex = '', tableCrc = ''] = match;
  return { shard: Number(shard), digestHex, tableCrc: Number.parseInt(tableCrc, 16) };
}

export function segmentFileName(id: string): string {
  return id + FILE_ENDING;
}

/** The id in a file name of `segmentFileName`, or undefined if it is not one. */
export function segmentIdOfFileName(fileName: string): string | undefined {
  if (!fileName.endsWith(FILE_ENDING)) return undefined;
  const id = fileName.slice(0, -FILE_ENDING.length);
  return ID_PATTERN.test(id) ? id : undefined;
}
