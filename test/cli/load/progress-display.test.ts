import { describe, expect, it } from 'vitest';
import { formatProgress, ProgressDisplay } from '../../../cli/load/progress-display.ts';
import type { LoadProgress } from '../../../loader/stages/progress.ts';
import { RecordingOutput } from '../recording-output.ts';

const reading: LoadProgress = {
  stage: 'parse',
  rows: 610_000,
  bytesDone: 61,
  bytesTotal: 100,
  rejected: 2,
  shardsDone: 0,
  shardsTotal: 128,
  acknowledged: [],
  awaited: [],
  elapsedMs: 1000,
  rowsPerSecond: 512_000,
  mbPerSecond: 54.2,
  etaMs: 1000,
};

describe('formatProgress', () => {
  it('shows stage, share, rows, rates, rejects and the time left', () => {
    expect(formatProgress(reading, false)).toBe(
      'reading   61%  610,000 rows  512,000 rows/s  54.2 MB/s  2 rejected  1.0 s left',
    );
  });

  it('draws a bar on a terminal', () => {
    expect(formatProgress(reading, true)).toContain('[############--------]');
  });

  it('shows no share and no remaining time for an input of unknown size', () => {
    const text = formatProgress({ ...reading, bytesTotal: 0, etaMs: undefined }, true);
    expect(text).toBe('reading  610,000 rows  512,000 rows/s  54.2 MB/s  2 rejected');
  });

  it('counts shards when reading is over', () => {
    const text = formatProgress({ ...reading, stage: 'build', shardsDone: 32 }, false);
    expect(text).toBe('building   25%  610,000 rows  2 rejected  1.0 s left');
  });

  it('shows what each owner has acknowledged, or the range if there are many', () => {
    const owners = Array.from({ length: 7 }, (_, at) => [`node-${at}`, 30 + at] as const);
    const building = { ...reading, stage: 'build', shardsDone: 32 } as const;
    const few = formatProgress({ ...building, acknowledged: owners.slice(0, 2) }, false);
    expect(few).toBe(
      'building   25%  610,000 rows  2 rejected  acknowledged node-0 30, node-1 31  1.0 s left',
    );
    const many = formatProgress({ ...building, acknowledged: owners }, false);
    expect(many).toContain('  acknowledged 30 to 36 by each of 7 datanodes  ');
  });

  it('never shows more than 100%', () => {
    expect(formatProgress({ ...reading, bytesDone: 200 }, true)).toContain(
      `[${'#'.repeat(20)}]  100%`,
    );
  });
});

describe('ProgressDisplay', () => {
  function display(terminal: boolean) {
    const output = new RecordingOutput(terminal);
    const clock = { nowMs: 0 };
    return {
      output,
      clock,
      display: new ProgressDisplay(output, () => clock.nowMs, formatProgress),
    };
  }

  it('redraws one line on a terminal, at most ten times a second, and clears it at the end', () => {
    const { output, clock, display: bar } = display(true);
    for (clock.nowMs = 0; clock.nowMs < 1000; clock.nowMs += 10) bar.update(reading);
    expect(output.stderr.match(/\r/g)).toHaveLength(10);
    expect(output.stderr).not.toContain('\n');
    bar.finish();
    expect(output.stderr.endsWith('\r\u001B[K')).toBe(true);
    expect(output.stdout).toBe('');
  });

  it('does not exceed the width of the terminal', () => {
    const { output, display: bar } = display(true);
    bar.update({ ...reading, rows: 10 ** 15, rowsPerSecond: 10 ** 15 });
    expect(output.stderr.replace('\r\u001B[K', '')).toHaveLength(79);
  });

  it('prints a whole line every five seconds elsewhere, and none for a short load', () => {
    const { output, clock, display: lines } = display(false);
    for (clock.nowMs = 0; clock.nowMs < 4999; clock.nowMs += 200) lines.update(reading);
    expect(output.stderr).toBe('');
    for (; clock.nowMs <= 10_000; clock.nowMs += 200) lines.update(reading);
    lines.finish();
    expect(output.stderr.split('\n').filter((line) => line !== '')).toHaveLength(2);
    expect(output.stderr).not.toContain('\r');
  });
});
