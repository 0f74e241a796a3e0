import { expect, it } from 'vitest';
import { LatencyEvents } from '../../../resp/commands/latency-events.ts';

it('keeps the longest event of each second, and the longest ever', () => {
  const events = new LatencyEvents();
  for (const [second, time] of [
    [1, 20],
    [2, 5],
    [2, 9],
    [2, 7],
  ] as const) {
    events.add('command', second, time);
  }
  expect(events.all().get('command')).toEqual({
    samples: [
      { unixSeconds: 1, milliseconds: 20 },
      { unixSeconds: 2, milliseconds: 9 },
    ],
    worstMs: 20,
  });
});

it('keeps the latest 160 samples', () => {
  const events = new LatencyEvents();
  for (let second = 0; second < 500; second++) events.add('datanode-wait', second, 1);
  const samples = events.all().get('datanode-wait')?.samples ?? [];
  expect(samples).toHaveLength(160);
  expect(samples.at(0)?.unixSeconds).toBe(340);
});

it('resets the named kinds, or all, and says how many there were', () => {
  const events = new LatencyEvents();
  for (const name of ['command', 'fast-command', 'datanode-wait'] as const) events.add(name, 1, 1);
  expect(events.reset(['command', 'nothing'])).toBe(1);
  expect([...events.all().keys()]).toEqual(['fast-command', 'datanode-wait']);
  expect(events.reset([])).toBe(2);
  expect(events.reset([])).toBe(0);
});
