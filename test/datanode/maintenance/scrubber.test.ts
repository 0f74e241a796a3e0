import {
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Datanode } from '../../../datanode/node.ts';
import type { Tier } from '../../../datanode/storage/holdings.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { eventually, orderHeader, openTestNode, pushTo } from '../../support/peers/datanode.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const FAST = { bytesPerSecond: 1e9, intervalMs: 5 };
const SEGMENTS = segmentsOf(numberedPairs(3000), 4);

interface Scrubbed {
  readonly node: Datanode;
  readonly folder: string;
  readonly victim: BuiltSegment;
  readonly path: string;
}

/** A node with four segments; its scrubber runs until the test ends. */
async function start(limits = FAST, tier: Tier = 'memory'): Promise<Scrubbed> {
  const folder = tempDir();
  const { node } = await openTestNode(folder);
  node.holdings.setTier(TEST_UID, tier);
  // Copied bytes, because a test may damage them.
  await pushTo(node, SEGMENTS);
  const victim = SEGMENTS[1]!;
  const path = join(folder, 'segments', TEST_UID, `${victim.info.id}.seg`);
  const stop = new AbortController();
  const running = node.scrubber.run(limits, stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await running;
  });
  return { node, folder, victim, path };
}

const quarantined = (folder: string): string[] => readdirSync(join(folder, 'quarantine'));

function flipInFile(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 4;
  writeFileSync(path, bytes);
}

function flipInMemory(node: Datanode, victim: BuiltSegment, at: number): void {
  node.holdings.get(TEST_UID, victim.info.id)!.bytes[at]! ^= 4;
}

const isGood = (node: Datanode, victim: BuiltSegment): boolean =>
  node.holdings.get(TEST_UID, victim.info.id)?.bytes.equals(victim.bytes) === true;

describe('the scrubber', () => {
  it('checks everything, in memory and on disk, and reports when', async () => {
    const { node } = await start();
    const bytes = SEGMENTS.reduce((sum, segment) => sum + segment.bytes.length, 0);
    await eventually('two passes', () => node.scrubber.stats.bytes >= 4 * bytes);
    const { found, lastPassUnixMs } = node.scrubber.stats;
    expect(found).toBe(0);
    expect(Date.now() - lastPassUnixMs).toBeLessThan(10_000);
  });

  it.each([
    ['none', 'in the records', 300],
    ['none', 'in the format number', 8],
    ['disk', 'in the records', 300],
    ['disk', 'in the index', 150],
  ] as const)('quarantines a file of tier %s that is damaged %s', async (tier, _what, at) => {
    const { node, folder, victim, path } = await start(FAST, tier);
    expect(node.holdings.get(TEST_UID, victim.info.id)).toBe(undefined);
    flipInFile(path, at);
    await eventually('given up', () => !node.holdings.has(TEST_UID, victim.info.id));
    await eventually('set aside', () => quarantined(folder).length === 1);
    expect(node.holdings.count).toBe(SEGMENTS.length - 1);
    expect(node.holdings.segmentIdsOf(TEST_UID)).toHaveLength(SEGMENTS.length - 1);
  });

  it('keeps to its rate', async () => {
    const bytes = SEGMENTS.reduce((sum, segment) => sum + segment.bytes.length, 0);
    const { node } = await start({ bytesPerSecond: bytes * 20, intervalMs: 5 });
    const startMs = performance.now();
    await eventually('a pass', () => node.scrubber.stats.lastPassUnixMs > 0);
    // Two copies of everything at 20 times their size a second: a tenth of a second.
    expect(performance.now() - startMs).toBeGreaterThan(80);
  });

  for (const [what, at] of [
    ['in the records', 5000],
    ['in the index', 200],
    ['in the header', 33],
    ['at the very end', -1],
  ] as const) {
    it(`writes a file with a flipped bit ${what} again, from memory`, async () => {
      const { folder, node, path, victim } = await start();
      const revision = node.holdings.revision;
      flipInFile(path, at < 0 ? victim.bytes.length + at : at);
      await eventually('repaired', () => node.scrubber.stats.repaired === 1);
      expect(readFileSync(path).equals(victim.bytes)).toBe(true);
      expect(quarantined(folder)).toHaveLength(1);
      expect(node.report.quarantinedTotal).toBe(1);
      // It was served all the time.
      expect(node.holdings.revision).toBe(revision);
    });
  }

  it('writes a file that is gone, or cut short, again', async () => {
    const { node, path, victim } = await start();
    rmSync(path);
    await eventually('the first', () => node.scrubber.stats.repaired === 1);
    expect(readFileSync(path).equals(victim.bytes)).toBe(true);
    truncateSync(path, 1000);
    await eventually('the second', () => node.scrubber.stats.repaired === 2);
    expect(readFileSync(path).equals(victim.bytes)).toBe(true);
  });

  it('reads a segment again from its file when memory has rotted', async () => {
    const { folder, node, victim } = await start();
    flipInMemory(node, victim, 5000);
    await eventually('repaired', () => node.scrubber.stats.repaired === 1);
    expect(isGood(node, victim)).toBe(true);
    expect(quarantined(folder)).toEqual([]);
  });

  it('takes a segment out of service when memory and file have rotted', async () => {
    const { folder, node, path, victim } = await start();
    flipInFile(path, 6000);
    flipInMemory(node, victim, 5000);
    const isOut = (): boolean => node.holdings.get(TEST_UID, victim.info.id) === undefined;
    await eventually('out', () => isOut() && node.scrubber.stats.quarantined === 1);
    expect(quarantined(folder)).toHaveLength(1);
    expect(existsSync(path)).toBe(false);
    expect(node.scrubber.stats).toMatchObject({ found: 1, repaired: 0, quarantined: 1 });
    // The copy that a repair brings is served and scrubbed like any other.
    await pushTo(node, [victim]);
    expect(isGood(node, victim)).toBe(true);
    const before = node.scrubber.stats.bytes;
    await eventually('more passes', () => node.scrubber.stats.bytes > before + 1_000_000);
    expect(node.scrubber.stats.found).toBe(1);
  });

  it('ignores what is dropped in the meantime', async () => {
    const { node } = await start();
    for (const { info } of SEGMENTS) {
      await node.dropSegments({
        header: orderHeader(node),
        segments: [{ keyspaceUid: TEST_UID, segmentId: info.id }],
        versions: [],
        holdingsRevision: 0,
      });
    }
    await pushTo(node, SEGMENTS.slice(0, 1));
    const { bytes } = node.scrubber.stats;
    await eventually('passes over what is left', () => node.scrubber.stats.bytes > bytes + 100_000);
    expect(node.scrubber.stats.found).toBe(0);
  });
});
