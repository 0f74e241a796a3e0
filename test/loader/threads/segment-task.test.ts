// Whole segments: what is checked, and the rows that a restore loads.

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../../base/config.ts';
import { runDryRun } from '../../../loader/dry-run.ts';
import { rowsFlags } from '../../../loader/restore/rows-flags.ts';
import { loadSettings } from '../../../loader/settings.ts';
import { runSegmentTask } from '../../../loader/threads/segment-task.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { TEST_UID, segmentOfRows } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

function task(segments: readonly BuiltSegment[], rowsPath = '') {
  return {
    segments: segments.map(({ bytes, info }) => {
      const shared = new SharedArrayBuffer(bytes.length);
      Buffer.from(shared).set(bytes);
      return { bytes: shared, id: info.id, keyspaceUid: TEST_UID, shardCount: 1 };
    }),
    rowsPath,
  };
}

/** The digest of the rows of a file, read as a restore has it read. */
async function digestOf(file: string): Promise<string> {
  const flags = { ...rowsFlags, master: '127.0.0.1:1', workDir: join(file, '..', 'work') };
  const { values } = resolveSettings(loadSettings, { flags, environment: {}, file: {} });
  const report = await runDryRun({ ...values, keyspace: 'ks', paths: [file] }, 0, {});
  expect(report.rejected + report.duplicates).toBe(0);
  return report.digest;
}

const nasty = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
  fc
    .constantFrom(
      '"',
      '""',
      ',',
      '\n',
      '\r\n',
      '\r',
      '\0',
      '\ufeff',
      '\ufeffa',
      ' ',
      '#',
      "'",
      '\\',
    )
    .map((text) => new Uint8Array(Buffer.from(text))),
);
const anyValue = fc.oneof(nasty, fc.constant(new Uint8Array(0)));

describe('the rows of segments', () => {
  it('are the newest of every key, byte for byte', async () => {
    const rows = fc.array(fc.tuple(nasty, anyValue), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(rows, rows, async (base, delta) => {
        const file = join(tempDir(), 'rows.csv');
        runSegmentTask(task([segmentOfRows(base), segmentOfRows(delta)], file));
        const whole = segmentOfRows([...base, ...delta]);
        expect(await digestOf(file)).toBe(whole.info.digest.toString('hex'));
      }),
      { numRuns: 150 },
    );
  });

  it('may be large', async () => {
    const file = join(tempDir(), 'rows.csv');
    const big = segmentOfRows([
      [Buffer.from('big'), randomBytes(3_000_000)],
      [Buffer.from('quotes'), Buffer.alloc(2_000_000, '"')],
      [Buffer.from('lines'), Buffer.alloc(2_000_000, '\n')],
      [randomBytes(60_000), Buffer.alloc(0)],
    ]);
    runSegmentTask(task([big], file));
    expect(await digestOf(file)).toBe(big.info.digest.toString('hex'));
  });

  it('do not go into a file that is there', () => {
    const file = join(tempDir(), 'rows.csv');
    writeFileSync(file, 'x');
    const one = task([segmentOfRows([[Buffer.from('a'), Buffer.from('b')]])], file);
    expect(() => runSegmentTask(one)).toThrow('EEXIST');
    expect(readFileSync(file, 'utf8')).toBe('x');
  });
});

describe('a segment', () => {
  const segment = segmentOfRows([[Buffer.from('key'), Buffer.from('value')]]);

  it('passes as it is', () => {
    runSegmentTask(task([segment]));
  });

  it('is refused with any byte changed', () => {
    for (let at = 0; at < segment.bytes.length; at++) {
      const one = task([segment]);
      const bytes = Buffer.from(one.segments[0]?.bytes ?? new SharedArrayBuffer(0));
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(() => runSegmentTask(one)).toThrow();
    }
  });

  it('is refused under the name of another, and for another cluster', () => {
    const [one] = task([segment]).segments;
    if (one === undefined) throw new Error('no segment');
    for (const change of [
      { id: one.id.replace(/.$/, '_') },
      { keyspaceUid: 'f'.repeat(16) },
      { shardCount: 2 },
    ]) {
      const wrong = { segments: [{ ...one, ...change }], rowsPath: '' };
      expect(() => runSegmentTask(wrong)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
    }
  });
});
