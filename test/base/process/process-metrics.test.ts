import { openSync, closeSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { collectGarbage } from '../../../base/process/free-memory.ts';
import { MetricSet } from '../../../base/process/metrics.ts';
import { defineProcessMetrics } from '../../../base/process/process-metrics.ts';

const set = new MetricSet();
defineProcessMetrics(set, { role: 'query', faults: () => new Map([['sync', 2]]) });

async function read(series: string): Promise<number> {
  const line = (await set.text()).split('\n').find((each) => each.startsWith(`${series} `));
  if (line === undefined) throw new Error(`there is no ${series}`);
  return Number(line.slice(series.length));
}

/** Keeps the event loop from everything else. */
function block(forMs: number): void {
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs);
}

test('says what runs, and what failed', async () => {
  expect(await read('stele_faults_total{part="sync"}')).toBe(2);
  expect(await set.text()).toMatch(
    /^stele_build_info\{version="\d+\.\d+\.\d+",node_version="v\d+[^"]+",role="query"\} 1$/m,
  );
  const startedAt = await read('process_start_time_seconds');
  expect(startedAt).toBeGreaterThan(Date.now() / 1000 - process.uptime() - 60);
  expect(startedAt).toBeLessThan(Date.now() / 1000);
});

test('counts CPU time, memory and open descriptors', async () => {
  const before = await read('process_cpu_seconds_total');
  block(30);
  expect(await read('process_cpu_seconds_total')).toBeGreaterThan(before);
  expect(await read('process_resident_memory_bytes')).toBeGreaterThan(1e7);
  expect(await read('nodejs_heap_size_used_bytes')).toBeLessThan(
    await read('nodejs_heap_size_total_bytes'),
  );
  const open = await read('process_open_fds');
  const more = Array.from({ length: 50 }, () => openSync('/dev/null', 'r'));
  onTestFinished(() => more.forEach((descriptor) => closeSync(descriptor)));
  expect(await read('process_open_fds')).toBeGreaterThan(open + 40);
  expect(await read('process_max_fds')).toBeGreaterThan(open);
});

test('sees a blocked event loop, whoever looks meanwhile', async () => {
  const longDelays = async (): Promise<number> => {
    const all = await read('nodejs_eventloop_delay_seconds_count');
    return all - (await read('nodejs_eventloop_delay_seconds_bucket{le="0.1024"}'));
  };
  const [before, activeBefore] = [
    await longDelays(),
    await read('nodejs_eventloop_active_seconds_total'),
  ];
  block(300);
  await expect.poll(longDelays).toBeGreaterThan(before);
  await expect.poll(longDelays).toBeGreaterThan(before);
  expect(await read('nodejs_eventloop_active_seconds_total')).toBeGreaterThan(activeBefore + 0.2);
});

test('counts every collection of a burst', async () => {
  const major = 'nodejs_gc_duration_seconds_count{kind="major"}';
  const before = await read(major);
  for (let round = 0; round < 3; round++) collectGarbage();
  await expect.poll(() => read(major)).toBeGreaterThanOrEqual(before + 3);
  expect(await read('nodejs_gc_duration_seconds_sum{kind="major"}')).toBeGreaterThan(0);
});
