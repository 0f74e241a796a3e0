import { describe, expect, it, vi } from 'vitest';
import {
  connectionLimit,
  connectionsWithin,
  openFilesMax,
} from '../../../base/process/descriptors.ts';
import { silentLogger } from '../../../base/log.ts';

describe('connectionsWithin', () => {
  it.each([
    [10_000, 3, Infinity, 10_000],
    [10_000, 3, 1_048_576, 10_000],
    [10_000, 3, 1024, 256],
    [10_000, 3, 300, 75],
    [10_000, 2, 110, 23],
    [10_000, 3, 60, 4],
    [2, 3, 60, 2],
    [100, 3, 1024, 100],
  ])('%i asked of %i kinds with %d files are %i', (asked, kinds, filesMax, connections) => {
    expect(connectionsWithin(asked, kinds, filesMax)).toBe(connections);
  });

  it('leaves the reserve, whatever the limit', () => {
    for (let filesMax = 80; filesMax < 20_000; filesMax += 97) {
      const left = filesMax - 3 * connectionsWithin(1_000_000, 3, filesMax);
      expect(left).toBeGreaterThanOrEqual(Math.min(64, filesMax));
    }
  });
});

describe('connectionLimit', () => {
  it('goes by the limit of this process, and warns when it cuts', () => {
    const warn = vi.spyOn(silentLogger, 'warn');
    expect(openFilesMax()).toBeGreaterThan(100);
    expect(connectionLimit(1, 3, silentLogger)).toBe(1);
    expect(warn).not.toHaveBeenCalled();
    const cut = connectionLimit(1e12, 3, silentLogger);
    expect(cut).toBe(connectionsWithin(1e12, 3, openFilesMax()));
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });
});
