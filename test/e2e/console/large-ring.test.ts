// The ring of 50 datanodes and 1,024 shards: how much there is to draw, and how long a frame takes.
//
// What the routes of a large cluster would answer is made up here; all else is a real master's.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Health, Node, Shard } from '../../../console/api/shapes.ts';
import { hasChromium, newPage, startChromium } from '../../support/browser/chromium.ts';
import type { WatchedPage } from '../../support/browser/chromium.ts';
import { TestCluster } from '../../support/process/cluster.ts';

const NODES = 50;
const SHARDS = 1024;
const COPIES = 3;
const LOOKS = 8;
/** Elements of the picture: a few for each node and rank, whatever the number of shards. */
const ELEMENTS_MAX = 4 * NODES * COPIES;

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of the thread. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

let cluster: TestCluster;
let browser: Browser;
let watched: WatchedPage;
let page: Page;
/** How often the page has looked; each time some shards are on other nodes. */
const looks = { count: 0 };

function nodes(template: Node): Node[] {
  return Array.from({ length: NODES }, (_, at) => ({
    ...template,
    id: `node-${at}`,
    zone: `zone-${at % 3}`,
    state: at === 7 ? 'DOWN' : 'SERVING',
  }));
}

function shards(): Shard[] {
  return Array.from({ length: SHARDS }, (_, shard) => {
    const moved = shard % 8 === looks.count % 8 ? looks.count : 0;
    const owners = Array.from(
      { length: COPIES },
      (__, rank) => `node-${(shard * 7 + rank * 17 + moved) % NODES}`,
    );
    const holders = owners.filter((node) => node !== 'node-7' && (moved === 0 || node < 'node-3'));
    const slots = [shard * 16, shard * 16 + 15] as const;
    const status = holders.length === COPIES ? 'green' : 'yellow';
    return { shard, slots, owners, holders, status, records: 1000, bytes: 100_000 };
  });
}

/**
 * Milliseconds of CPU time of each task of the page's main thread: other programs do not change
 * them.
 */
function cpuOfTasks(trace: Buffer): number[] {
  const { traceEvents: events } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const threads = events
    .filter(({ args, name }) => name === 'thread_name' && args?.name === 'CrRendererMain')
    .map(({ pid, tid }) => `${pid} ${tid}`);
  return events
    .filter(({ name, pid, tid }) => name.endsWith('RunTask') && threads.includes(`${pid} ${tid}`))
    .map(({ tdur = 0 }) => tdur / 1000);
}

describe.skipIf(!hasChromium())('the ring of a large cluster', () => {
  beforeAll(async () => {
    cluster = await TestCluster.borrow(1);
    browser = await startChromium();
    watched = await newPage(browser, cluster.url('/'), { viewport: { width: 1280, height: 860 } });
    ({ page } = watched);
    await page.route('**/v1/shards', (route) => {
      looks.count++;
      return route.fulfill({ json: { shards: shards() } });
    });
    await page.route('**/v1/cluster/health', async (route) => {
      const response = await route.fetch();
      const health = (await response.json()) as Health;
      const [template] = health.nodes;
      if (template === undefined) throw new Error('the cluster has no datanode');
      return route.fulfill({ json: { ...health, nodes: nodes(template) } });
    });
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await cluster?.close();
  });

  it('is drawn with few elements, which follow each change', async () => {
    await page.goto(`${cluster.url('/')}#/ring`);
    await page.locator('path.cell').first().waitFor();
    await page.evaluate(`
      globalThis.frames = 0;
      requestAnimationFrame(function next() {
        frames++;
        requestAnimationFrame(next);
      });
    `);
    await browser.startTracing(page, { categories: ['toplevel', '__metadata'] });
    const box = await page.getByRole('slider').boundingBox();
    if (box === null) throw new Error('the ring is not shown');
    const last = looks.count + LOOKS;
    for (let at = 0; looks.count < last; at++) {
      const angle = (at % 100) / 16;
      const x = box.x + box.width * (0.5 + 0.4 * Math.cos(angle));
      await page.mouse.move(x, box.y + box.height * (0.5 + 0.4 * Math.sin(angle)));
    }
    const cpuMs = cpuOfTasks(await browser.stopTracing());
    const elements = await page.locator('svg.ring *').count();
    const frames = await page.evaluate<number>('frames');
    const sum = cpuMs.reduce((all, one) => all + one, 0);
    console.log(
      `ring of ${NODES} nodes and ${SHARDS} shards: ${elements} elements; CPU time of ${frames} frames: ${(sum / frames).toFixed(1)} ms each, ${Math.max(...cpuMs).toFixed(0)} ms in the longest task`,
    );
    expect(elements).toBeGreaterThan(NODES);
    expect(elements).toBeLessThanOrEqual(ELEMENTS_MAX);
    expect(await page.locator('.legend .entry').count()).toBe(NODES);
    expect(watched.wrong).toEqual([]);
  });
});
