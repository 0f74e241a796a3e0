// The arithmetic of --memory-max, and the budget of a parse task.

import { statSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BudgetExceeded } from '../../../loader/bytes/memory-budget.ts';
import { LINE_DIALECT, delimitedDialect } from '../../../loader/input/dialect.ts';
import type { Dialect } from '../../../loader/input/dialect.ts';
import { measureRowCost } from '../../../loader/plan/chunk-plan.ts';
import type { InputFile } from '../../../loader/input/inputs.ts';
import {
  chunkBytesWithin,
  chunkCost,
  extraBytes,
  refuseTooLarge,
  skewedShard,
  shardCost,
  shardLimits,
  threadsWithin,
} from '../../../loader/plan/memory-plan.ts';
import { newParseScratch, runParseTask } from '../../../loader/threads/parse-task.ts';
import type { ParseScratch, ParseTask } from '../../../loader/threads/parse-task.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { write } from '../load-setup.ts';
import { runs } from '../rows.ts';

const MiB = 1024 * 1024;
const costOf = (
  parseFactor: number,
): { parseFactor: number; recordFactor: 1; recordBytes: 64 } => ({
  parseFactor,
  recordFactor: 1,
  recordBytes: 64,
});

describe('the plan', () => {
  it('never gives threads and chunks more than there is, whatever the rows cost', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 256, max: 64 * 1024 }),
        fc.double({ min: 2, max: 60, noNaN: true }),
        fc.integer({ min: 1, max: 64 }),
        (memoryMiB, factor, workers) => {
          const memoryMax = memoryMiB * MiB;
          const cost = costOf(factor);
          const share = chunkCost(chunkBytesWithin(16 * MiB, cost, memoryMax), cost);
          const threads = threadsWithin(memoryMax, workers, share);
          const extra = extraBytes(memoryMax, threads, share);
          expect(threads).toBeGreaterThan(0);
          expect(threads * (share + 20 * MiB) + extra).toBeLessThanOrEqual(memoryMax - 112 * MiB);
          // For chunks that cost more than the first rows predict.
          expect(extra).toBeGreaterThanOrEqual((memoryMax - 112 * MiB) * 0.4 - 1);
          const room = shardLimits(memoryMax, threads, shardCost(64 * MiB, 1e6));
          const { inFlightBytes, scratchKeptBytes, spareBytes } = room;
          expect(inFlightBytes + spareBytes + threads * scratchKeptBytes).toBeLessThanOrEqual(
            memoryMax - 112 * MiB - threads * 20 * MiB,
          );
        },
      ),
      runs(500),
    );
  });

  it('cuts the same chunks however many threads there are', () => {
    expect(chunkBytesWithin.length).toBe(3);
    expect(chunkBytesWithin(16 * MiB, costOf(3), 512 * MiB)).toBe(16 * MiB);
    expect(chunkBytesWithin(16 * MiB, costOf(30), 512 * MiB)).toBe(2 * MiB);
  });

  it('says what a shard that is too large needs, and that is enough', () => {
    const shard = { recordBytes: 400 * MiB, records: 4e6 };
    const refused = (memoryMax: number): string => {
      try {
        refuseTooLarge(7, shard, memoryMax, 2);
        return '';
      } catch (thrown) {
        return (thrown as Error).message;
      }
    };
    const text = refused(512 * MiB);
    expect(text).toMatch(/^Shard 7 would hold about 400.0 MiB/);
    const least = Number(/--memory-max (\d+)MiB or more/.exec(text)?.[1]);
    expect(refused((least - 1) * MiB)).not.toBe('');
    expect(refused(least * MiB)).toBe('');
  });

  it('says what makes a shard that has much more than the others, and that more shards do not help', () => {
    const rows = new Float64Array(8).fill(1000);
    const even = new Float64Array(8).fill(MiB);
    expect(skewedShard(even, rows)).toBeUndefined();
    const bytes = Float64Array.from(even, (one, shard) => (shard === 3 ? 9 * one : one));
    expect(skewedShard(bytes, rows)).toEqual({ shard: 3, share: 9 / 16 });
    // With few rows, shards are uneven by chance.
    expect(skewedShard(bytes, new Float64Array(8).fill(10))).toBeUndefined();
    const shard = { recordBytes: 3 * 1024 * MiB, records: 4e6 };
    const text = (isSkewed: boolean): string => {
      try {
        refuseTooLarge(3, shard, 64 * 1024 * MiB, 2, 1, isSkewed);
        return '';
      } catch (thrown) {
        return (thrown as Error).message;
      }
    };
    expect(text(true)).toMatch(/counted before duplicates.*more shards would not help.*hash tag/);
    expect(text(false)).toMatch(/else use a cluster with more shards\.$/);
  });
});

const CSV_WIDE = delimitedDialect(
  'csv',
  Array.from({ length: 12 }, (_, column) => `a_rather_long_name_of_column_${column}`),
  false,
  true,
  { key: undefined, value: undefined },
);

function inputOf(text: string, dialect: Dialect): InputFile {
  const path = write(tempDir(), 'input', text);
  const sizeBytes = statSync(path).size;
  const place = { path, readPath: path, isStream: false, compression: 'none' as const };
  return { ...place, sizeBytes, modifiedMs: 0, dialect, dataStart: 0, dataStartLine: 0 };
}

function taskOf(input: InputFile, limits: Partial<ParseTask>): ParseTask {
  const { dialect, readPath } = input;
  const run = { shardCount: 8, runFolder: tempDir(), binding: '00'.repeat(16), mayResume: false };
  const pieces = [{ readPath, start: 0, end: input.sizeBytes }];
  return { index: 0, pieces, dialect, ...run, ...limits };
}

describe('a parse task', () => {
  const kinds: [string, string, Dialect][] = [
    ['usual rows', 'a key of some bytes and a value of some more bytes than that\n', LINE_DIALECT],
    ['rows of three bytes', 'a \n', LINE_DIALECT],
    ['bad rows', 'x\n', LINE_DIALECT],
    ['objects of columns', `key${',1'.repeat(11)}\n`, CSV_WIDE],
  ];

  it.each(kinds)('stays within what the first rows tell: %s', (_, row, dialect) => {
    const input = inputOf(row.repeat(Math.ceil(MiB / row.length)), dialect);
    const bytesMax = chunkCost(input.sizeBytes, measureRowCost([input]));
    expect(bytesMax / input.sizeBytes).toBeLessThan(80);
    const scratch = newParseScratch();
    runParseTask(taskOf(input, { bytesMax, bytesKept: bytesMax }), scratch);
    expect(scratch.budget.bytes).toBeGreaterThan(input.sizeBytes);
    expect(scratch.budget.bytes).toBeLessThanOrEqual(bytesMax);
  });

  it.each(kinds)('stops at its budget, and says what is enough: %s', (_, row, dialect) => {
    const input = inputOf(row.repeat(Math.ceil(MiB / row.length)), dialect);
    const limits = { bytesMax: input.sizeBytes + MiB / 2, bytesKept: input.sizeBytes };
    const scratch = newParseScratch();
    const whole = runParseTask(taskOf(input, {}), newParseScratch());
    const neededBytes = shortOf(taskOf(input, limits), scratch);
    expect(neededBytes).toBeGreaterThan(limits.bytesMax);
    const again = runParseTask(taskOf(input, { ...limits, bytesMax: neededBytes }), scratch);
    expect(again).toEqual(whole);
    // Memory beyond the kept part is released.
    expect(scratch).toMatchObject({ context: undefined, budget: { bytes: 0 } });
  });

  it('keeps its scratch from task to task where that is allowed', () => {
    const input = inputOf('key value\n'.repeat(100_000), LINE_DIALECT);
    const limits = { bytesMax: 64 * MiB, bytesKept: 64 * MiB };
    const scratch = newParseScratch();
    runParseTask(taskOf(input, limits), scratch);
    const { chunk, context } = scratch;
    runParseTask(taskOf(input, limits), scratch);
    expect(scratch.chunk).toBe(chunk);
    expect(scratch.context).toBe(context);
  });
});

/** The need that the task reports. */
function shortOf(task: ParseTask, scratch: ParseScratch): number {
  try {
    runParseTask(task, scratch);
  } catch (thrown) {
    if (thrown instanceof BudgetExceeded) return thrown.neededBytes;
    throw thrown;
  }
  throw new Error('it had enough');
}
