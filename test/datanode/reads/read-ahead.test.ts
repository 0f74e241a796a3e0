// Pipelines of every kind, at once and in pieces: read-ahead must not change a single reply.

import { createConnection } from 'node:net';
import * as fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { resolveSettings } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import { READ_AHEAD_KEYS, ReadAhead } from '../../../datanode/reads/read-ahead.ts';
import { startDatanode } from '../../../datanode/server.ts';
import type { RunningDatanode } from '../../../datanode/server.ts';
import { datanodeSettings } from '../../../datanode/settings.ts';
import { KeyspaceReads } from '../../../datanode/read-stats/keyspace-reads.ts';
import type { VersionTable } from '../../../datanode/storage/version-tables.ts';
import { putSegment } from '../../../loader/push/push.ts';
import { PushConnections } from '../../../transport/segment-push.ts';
import { HealthStatus, NodeState } from '../../../proto/gen/stele/v1/view.ts';
import { slotOfText } from '../../../ring/slot.ts';
import { hashKey, lastHash2 } from '../../../segment/hash.ts';
import { openSegment } from '../../../segment/reader.ts';
import {
  TEST_UID,
  infoOf,
  manifestOf,
  numberedPairs,
  segmentsOf,
} from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SHARDS = 4;
const PAIRS = numberedPairs(500);
const VALUES = new Map(PAIRS);
const CALL = { deadlineMs: 5000 };

/** A datanode that serves PAIRS as `default`, except for the first shard. */
async function start(): Promise<{ node: RunningDatanode; missing: Set<string> }> {
  const ports = { httpPort: 0, respPort: 0, grpcPort: 0 };
  const { values } = resolveSettings(datanodeSettings, {
    flags: { id: 'n1', dataDir: tempDir(), master: '127.0.0.1:1', ...ports },
    environment: {},
    file: {},
  });
  const node = await startDatanode(values, { log: silentLogger });
  onTestFinished(() => node.close());
  const segments = segmentsOf(PAIRS, SHARDS);
  const { address } = node;
  const view = { id: 'n1', incarnation: '', address, zone: '', state: NodeState.SERVING };
  const push = { keyspaceUid: TEST_UID, loadId: 'l' };
  const { signal } = new AbortController();
  const links = new PushConnections(view);
  onTestFinished(() => links.close(new SteleError('CANCELLED', 'The test is over.')));
  for (const segment of segments) {
    if (segment.info.shard === 0) continue;
    await putSegment(links, view, push, { info: infoOf(segment), bytes: segment.bytes }, signal);
  }
  const asked = { epoch: 1, nodeId: 'n1', incarnation: '', clusterId: 'c1' };
  const { incarnation } = await node.link.heartbeat({ header: asked }, CALL);
  const header = { ...asked, incarnation };
  await node.link.putManifest({ header, manifest: manifestOf(segments, SHARDS) }, CALL);
  const keyspace = { uid: TEST_UID, name: 'default', index: 0, currentVersion: 1, versions: [1] };
  await node.link.applyView(
    {
      header,
      view: {
        epoch: 1,
        revision: 1,
        shardCount: SHARDS,
        replication: 1,
        nodes: [view],
        routes: Array.from({ length: SHARDS }, () => ({ nodes: [0] })),
        keyspaces: [{ ...keyspace, fingerprints: [], records: PAIRS.length }],
        health: HealthStatus.GREEN,
        ready: true,
      },
    },
    CALL,
  );
  const shardOf = (key: string): number => Math.floor((slotOfText(key) * SHARDS) / 16384);
  return { node, missing: new Set([...VALUES.keys()].filter((key) => shardOf(key) === 0)) };
}

interface Step {
  readonly words: readonly string[];
  readonly reply: string;
}

const present = fc.nat(PAIRS.length - 1).map((index) => PAIRS[index]![0]);
const steps = (missing: ReadonlySet<string>): fc.Arbitrary<Step> => {
  const get = fc.tuple(fc.constantFrom('GET', 'get', 'Get'), present).map(([name, key]) => {
    const value = VALUES.get(key)!;
    const bulk = `$${value.length}\r\n${value}\r\n`;
    return { words: [name, key], reply: missing.has(key) ? 'CLUSTERDOWN' : bulk };
  });
  const others = fc.constantFrom<Step[]>(
    { words: ['PING'], reply: '+PONG\r\n' },
    { words: ['ECHO', 'abc'], reply: '$3\r\nabc\r\n' },
    { words: ['GET'], reply: "-ERR wrong number of arguments for 'get' command\r\n" },
    { words: ['SELECT', 'default'], reply: '+OK\r\n' },
    {
      words: ['GIT', 'x'],
      reply: "-ERR unknown command 'GIT', with args beginning with: 'x' \r\n",
    },
  );
  return fc.oneof({ weight: 8, arbitrary: get }, { weight: 1, arbitrary: others });
};

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}

/** The replies to `text`, sent in pieces of `pieceBytes`, until they end with `endsWith`. */
async function exchange(port: number, text: string, pieceBytes: number): Promise<string> {
  const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
  let received = '';
  socket.setEncoding('latin1').on('data', (part: string) => (received += part));
  const bytes = Buffer.from(`${text}${encode(['QUIT'])}`);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    socket.write(bytes.subarray(at, at + pieceBytes));
    if (pieceBytes < 1000) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => socket.once('close', resolve));
  return received;
}

it('every command of a pipeline is answered as if it were alone, however it arrives', async () => {
  const { missing, node } = await start();
  expect(missing.size).toBeGreaterThan(50);
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps(missing), { minLength: 1, maxLength: 120 }),
      fc.constantFrom(17, 100, 333, 1_000_000),
      async (pipeline, pieceBytes) => {
        const text = pipeline.map(({ words }) => encode(words)).join('');
        const got = await exchange(node.address.respPort, text, pieceBytes);
        const readable = got.replaceAll(/-CLUSTERDOWN [^\r]*\r\n/g, 'CLUSTERDOWN');
        expect(readable).toBe(`${pipeline.map(({ reply }) => reply).join('')}+OK\r\n`);
      },
    ),
    { numRuns: 60 },
  );
});

it('returns hash and slot of a key only for its own place', () => {
  const [segment] = segmentsOf(PAIRS, 1).map(({ bytes }) => openSegment(bytes));
  const table: VersionTable = {
    keyspaceUid: TEST_UID,
    version: 1,
    shards: [[segment!]],
    diskShards: [],
    isAnyOnDisk: false,
    recordsByShard: [1],
    records: 1,
    reads: new KeyspaceReads(),
  };
  const keys = PAIRS.slice(0, READ_AHEAD_KEYS + 2).map(([key]) => key);
  const bytes = Buffer.from(keys.map((key) => encode(['GET', key])).join(''));
  const starts = keys.map((key) => bytes.indexOf(key));
  const ahead = new ReadAhead();
  ahead.fill(bytes, 0, bytes.length, table);
  expect(ahead.take(bytes, starts[1]!, table)).toBe(false);
  expect(ahead.take(Buffer.from(bytes), starts[0]!, table)).toBe(false);
  expect(ahead.take(bytes, starts[0]!, { ...table })).toBe(false);
  keys.forEach((key, index) => {
    expect(ahead.take(bytes, starts[index]!, table)).toBe(index < READ_AHEAD_KEYS);
    if (index >= READ_AHEAD_KEYS) return;
    const h1 = hashKey(Buffer.from(key), 0, key.length, segment!.seed1, segment!.seed2);
    expect([ahead.slot, ahead.h1, ahead.h2]).toEqual([slotOfText(key), h1, lastHash2()]);
  });
  ahead.fill(bytes, 0, bytes.length, table);
  ahead.clear();
  expect(ahead.take(bytes, starts[0]!, table)).toBe(false);
});
