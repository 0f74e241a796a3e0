// PUT /v1/segments over real HTTP, with the loader's own client and with a raw socket.

import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { resolveSettings } from '../../base/config.ts';
import { silentLogger } from '../../base/log.ts';
import { startDatanode } from '../../datanode/server.ts';
import type { RunningDatanode } from '../../datanode/server.ts';
import { datanodeSettings } from '../../datanode/settings.ts';
import { newPushAgent, putSegment } from '../../loader/put-segment.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import type { BuiltSegment } from '../../segment/builder.ts';
import { TEST_UID, infoOf, numberedPairs, segmentsOf } from '../support/segments.ts';
import { tempDir } from '../support/temp-dir.ts';

async function start(more: Record<string, string> = {}): Promise<RunningDatanode> {
  const ports = { httpPort: 0, respPort: 0, grpcPort: 0 };
  const { values } = resolveSettings(datanodeSettings, {
    flags: { id: 'n1', dataDir: tempDir(), master: '127.0.0.1:1', ...ports, ...more },
    environment: {},
    file: {},
  });
  const node = await startDatanode(values, { log: silentLogger });
  onTestFinished(() => node.close());
  return node;
}

function put(
  { address }: RunningDatanode,
  segment: BuiltSegment,
  more: Partial<NodeView> & { signal?: AbortSignal } = {},
): Promise<void> {
  const view = { id: 'n1', incarnation: '', address, zone: '', state: NodeState.SERVING, ...more };
  const agent = newPushAgent();
  onTestFinished(() => agent.destroy());
  const outgoing = { info: infoOf(segment), bytes: segment.bytes };
  const signal = more.signal ?? new AbortController().signal;
  return putSegment(agent, view, { keyspaceUid: TEST_UID, loadId: 'l' }, outgoing, signal);
}

function oneSegment(rows: number): BuiltSegment {
  const [segment] = segmentsOf(numberedPairs(rows), 1);
  if (segment === undefined) throw new Error('no segment');
  return segment;
}

async function heldCount(node: RunningDatanode): Promise<number> {
  const header = { epoch: 1, nodeId: '', incarnation: '', clusterId: '' };
  const { added } = await node.link.listHoldings(
    { header, sinceRevision: 0 },
    { deadlineMs: 5000 },
  );
  return added.length;
}

it('a segment that was put is held; put again, it costs no bytes and is acknowledged', async () => {
  const node = await start();
  const segment = oneSegment(40_000);
  await put(node, segment);
  await put(node, segment);
  expect(await heldCount(node)).toBe(1);
});

it('a refusal comes before the bytes and keeps its code', async () => {
  const node = await start({ memoryMax: '1MiB' });
  const segment = oneSegment(40_000);
  await expect(put(node, segment)).rejects.toMatchObject({ code: 'MEMORY_LIMIT' });
  await expect(put(node, segment, { id: 'n2' })).rejects.toMatchObject({ code: 'WRONG_NODE' });
  await expect(put(node, segment, { incarnation: 'earlier' })).rejects.toMatchObject({
    code: 'WRONG_NODE',
  });
});

it('bytes that do not verify are refused as CORRUPT and not kept', async () => {
  const node = await start();
  const segment = oneSegment(1000);
  const bytes = Buffer.from(segment.bytes);
  bytes[bytes.length >> 1]! ^= 1;
  await expect(put(node, { ...segment, bytes })).rejects.toMatchObject({ code: 'CORRUPT' });
  expect(await heldCount(node)).toBe(0);
  await put(node, segment);
  expect(await heldCount(node)).toBe(1);
});

it('a sender that breaks off in the middle leaves nothing, and its room is free again', async () => {
  const segment = oneSegment(40_000);
  const node = await start({ memoryMax: String(segment.bytes.length) });
  const socket = createConnection({ port: node.address.httpPort });
  socket.write(requestHead(segment, 'expect: 100-continue\r\n'));
  await new Promise((resolve) => socket.once('data', resolve));
  socket.write(segment.bytes.subarray(0, 5000));
  socket.destroy();
  await expect.poll(() => put(node, segment).then(() => 'stored', String)).toBe('stored');
});

it('a sender that does not ask first is served as well', async () => {
  const node = await start();
  const segment = oneSegment(1000);
  const socket = createConnection({ port: node.address.httpPort });
  socket.write(requestHead(segment, 'connection: close\r\n'));
  socket.write(segment.bytes);
  expect(await text(socket)).toMatch(/^HTTP\/1.1 200 .*"stored":true/s);
  expect(await heldCount(node)).toBe(1);
});

it('a push that is called off ends at once', async () => {
  const node = await start();
  const abort = new AbortController();
  abort.abort();
  const pushed = put(node, oneSegment(1000), { signal: abort.signal });
  await expect(pushed).rejects.toMatchObject({ code: 'CANCELLED' });
});

function requestHead({ bytes, info }: BuiltSegment, more: string): string {
  return (
    `PUT /v1/segments/${TEST_UID}/${info.id} HTTP/1.1\r\nhost: n1\r\n` +
    `content-type: application/octet-stream\r\ncontent-length: ${bytes.length}\r\n${more}\r\n`
  );
}
