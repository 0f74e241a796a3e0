// Segments that are read through a window over their bytes, as from a file.

import { crcBlockCount } from '../../../segment/header.ts';
import type { Segment } from '../../../segment/reader.ts';
import { RecordWindow } from '../../../segment/record-window.ts';
import type { WindowedSegment } from '../../../segment/record-window.ts';

/** `onRead` is called with the length of each read. */
export function asFile(
  segment: Segment,
  aheadBytes = 8192,
  onRead: (byteCount: number) => void = () => undefined,
): WindowedSegment {
  const { bytes, header } = segment;
  const crcs = new Uint32Array(crcBlockCount(header));
  for (let block = 0; block < crcs.length; block++) {
    crcs[block] = bytes.readUInt32LE(header.footerOffset + block * 4);
  }
  const read = (into: Buffer, position: number): void => {
    bytes.copy(into, 0, position, position + into.length);
    onRead(into.length);
  };
  const window = RecordWindow.overFile({ header, crcs, aheadBytes, read });
  return { ...segment, window, whole: undefined };
}
