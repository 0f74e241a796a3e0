import { expect, it } from 'vitest';
import { SlowLog } from '../../../resp/commands/slow-log.ts';

function logOf(entriesMax: number, count: number): SlowLog {
  const log = new SlowLog(entriesMax);
  for (let index = 0; index < count; index++) {
    const shown = [Buffer.from('get')];
    log.add({ unixSeconds: index, microseconds: 1, shown, client: 'here:1', clientName: '' });
  }
  return log;
}

const ids = (log: SlowLog, count: number): number[] => log.latest(count).map(({ id }) => id);

it('keeps the latest entries and lists the newest first', () => {
  const log = logOf(3, 5);
  expect(log.length).toBe(3);
  expect(ids(log, 10)).toEqual([4, 3, 2]);
  expect(ids(log, 2)).toEqual([4, 3]);
  expect(ids(log, 0)).toEqual([]);
  expect(ids(log, -1)).toEqual([4, 3, 2]);
});

it('drops the oldest entries when its length is reduced, and keeps none with length 0', () => {
  const log = logOf(5, 5);
  log.entriesMax = 2;
  expect(ids(log, -1)).toEqual([4, 3]);
  expect(logOf(0, 2).length).toBe(0);
});

it('goes on counting after a reset', () => {
  const log = logOf(5, 2);
  log.reset();
  expect(log.length).toBe(0);
  log.add({ unixSeconds: 0, microseconds: 1, shown: [], client: '', clientName: '' });
  expect(ids(log, -1)).toEqual([2]);
});
