import { expect, it } from 'vitest';
import { LatencyEvents } from '../../../resp/commands/latency-events.ts';
import { latencyGraph, latencyReport } from '../../../resp/info/latency-report.ts';

function eventsOf(...times: number[]): LatencyEvents {
  const events = new LatencyEvents();
  for (const [index, time] of times.entries()) events.add('command', 100 + index * 60, time);
  return events;
}

it('says how to switch the monitor on, or that nothing was slow', () => {
  expect(latencyReport(0, new Map())).toMatch(/is off.*latency-monitor-threshold/);
  expect(latencyReport(10, new Map())).toMatch(/^Nothing has taken 10 ms or more/);
});

it('sums up each kind of event, with advice', () => {
  const report = latencyReport(10, eventsOf(10, 20, 60).all());
  expect(report).toMatch(
    /^1[.] command: 3 spikes \(30 ms on average, one every 1m 00s\), the longest ever 60 ms[.]\n {3}.*SLOWLOG GET/,
  );
  expect(latencyReport(0, eventsOf(10).all())).toMatch(/1 spike \(10 ms on average\)[^]*is off/);
});

it('draws the samples from the oldest to the latest, with their ages', () => {
  const series = eventsOf(10, 40, 25).all().get('command');
  if (series === undefined) throw new Error('no events');
  expect(latencyGraph('command', series, 100 + 120 + 5)).toBe(
    [
      'command - high 40 ms, low 10 ms (all time high 40 ms)',
      '-'.repeat(80),
      ' #',
      ' |',
      ' |#',
      ' ||',
      '',
      '215',
      'mms',
      '',
    ].join('\n'),
  );
});
