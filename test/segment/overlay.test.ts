import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Digest } from '../../segment/digest.ts';
import { overlaySteps } from '../../segment/overlay.ts';
import type { Overlay } from '../../segment/overlay.ts';
import type { Segment } from '../../segment/reader.ts';
import { windowed } from '../../segment/record-window.ts';
import { asFile } from '../support/segments/windows.ts';
import { digestOf, finish, flatten, layers, segmentOf } from './chains.ts';
import type { Layer } from './chains.ts';

/** Each layer compared with those below it. */
function overlays(rows: readonly Layer[]): { segment: Segment; overlay: Overlay }[] {
  const segments = rows.map(segmentOf);
  return segments.map((segment, index) => {
    // Any of them may be on disk.
    const opened = segments.map((one, at) => (at % 2 === 0 ? asFile(one, 0) : windowed(one)));
    const older = opened.slice(0, index).reverse();
    return { segment, overlay: finish(overlaySteps(opened[index]!, older)) };
  });
}

describe('a delta compared with older segments', () => {
  it('counts what it adds, replaces and leaves as it was', () => {
    fc.assert(
      fc.property(layers, (rows) => {
        overlays(rows).forEach(({ overlay }, index) => {
          const before = flatten(rows.slice(0, index));
          const counts = { added: 0, replaced: 0, unchanged: 0 };
          for (const [key, value] of rows[index]!) {
            if (!before.has(key)) counts.added++;
            else if (before.get(key) === value) counts.unchanged++;
            else counts.replaced++;
          }
          expect(overlay).toMatchObject(counts);
        });
      }),
    );
  });

  it('gives records, bytes and digest of the whole by subtraction', () => {
    fc.assert(
      fc.property(layers, (rows) => {
        const digest = new Digest();
        let records = 0;
        let keyBytes = 0;
        let valueBytes = 0;
        for (const { overlay, segment } of overlays(rows)) {
          const { overwritten } = overlay;
          records += segment.meta.records - overwritten.records;
          keyBytes += segment.meta.keyBytes - overwritten.keyBytes;
          valueBytes += segment.meta.valueBytes - overwritten.valueBytes;
          digest.add(Digest.fromBytes(segment.meta.digest));
          digest.subtract(Digest.fromBytes(overwritten.digest));
        }
        const whole = flatten(rows);
        const sum = (lengths: string[]): number => lengths.join('').length;
        expect({ records, keyBytes, valueBytes, digest: digest.toHex() }).toEqual({
          records: whole.size,
          keyBytes: sum([...whole.keys()]),
          valueBytes: sum([...whole.values()]),
          digest: digestOf(whole),
        });
      }),
    );
  });
});
