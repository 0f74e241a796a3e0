// Segments over a real port, with the loader's client and with a raw socket.

import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { resolveSettings } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import { startDatanode } from '../../../datanode/server.ts';
import type { RunningDatanode } from '../../../datanode/server.ts';
import { datanodeSettings } from '../../../datanode/settings.ts';
import { putSegment } from '../../../loader/push/push.ts';
import { PushConnections } from '../../../transport/segment-push.ts';
import { NodeState } from '../../../proto/gen/stele/v1/view.ts';
import type { NodeView } from '../../../proto/gen/stele/v1/view.ts';
import { encodeFrame } from '../../../proto/segment-transfer.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { TEST_UID, infoOf, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

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
): Promise<boolean> {
  const view = { id: 'n1', incarnation: '', address, zone: '', state: NodeState.SERVING, ...more };
  const links = new PushConnections(view);
  onTestFinished(() => links.close(new SteleError('CANCELLED', 'The test is over.')));
  const outgoing = { info: infoOf(segment), bytes: segment.bytes };
  const signal = more.signal ?? new AbortController().signal;
  return putSegment(links, view, { keyspaceUid: TEST_UID, loadId: 'l' }, outgoing, signal);
}

function oneSegment(rows: number): BuiltSegment {
  const [segment] = segmentsOf(numberedPairs(rows), 1);
  if (segment === undefined) throw new Error('no segment');
  return segment;
}

async function heldCount(node: RunningDatanode): Promise<number> {
  const header = { epoch: 1, nodeId: 'n1', incarnation: '', clusterId: 'c1' };
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

it('a refusal comes before the bytes and has its code', async () => {
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

it('a sender that disconnects in the middle leaves nothing, and its reservation is released', async () => {
  const segment = oneSegment(40_000);
  const node = await start({ memoryMax: String(segment.bytes.length) });
  const { answers, socket } = await rawSender(node);
  socket.write(announcement(segment));
  await expect.poll(answers).toContain('send');
  socket.write(segment.bytes.subarray(0, 5000));
  socket.destroy();
  await expect.poll(() => put(node, segment).then(() => 'stored', String)).toBe('stored');
});

it('a sender of single bytes is served as well, one segment after the other', async () => {
  const node = await start();
  const { answers, socket } = await rawSender(node);
  const segments = [oneSegment(3), oneSegment(2)];
  for (const [index, segment] of segments.entries()) {
    await trickle(socket, announcement(segment));
    await expect.poll(() => answers().split('"send"').length - 1).toBe(index + 1);
    await trickle(socket, segment.bytes);
    await expect.poll(() => answers().split('"stored"').length - 1).toBe(index + 1);
  }
  expect(await heldCount(node)).toBe(2);
  expect(socket.destroyed).toBe(false);
});

it.each([
  [
    'bytes that nobody asked for',
    (segment: BuiltSegment) => [announcement(segment), segment.bytes],
  ],
  ['a frame that is too long', () => [Buffer.from([0xff, 0xff, 0xff, 0x7f])]],
  ['what is no JSON', () => [Buffer.from([2, 0, 0, 0, 0x7b, 0x7b])]],
  ['an announcement without a length', () => [encodeFrame({ segmentId: 'a' })]],
])('a sender of %s is cut off, and nothing of it is kept', async (_, pieces) => {
  const node = await start();
  const { socket } = await rawSender(node);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(Buffer.concat(pieces(oneSegment(40_000))));
  await closed;
  expect(await heldCount(node)).toBe(0);
  await put(node, oneSegment(10));
});

it.each([
  ['another path', 'GET /v1/other', 'stele-segments'],
  ['another protocol', 'GET /v1/segments', 'websocket'],
])('a change to %s is refused', async (_, line, protocol) => {
  const node = await start();
  const { answers } = await rawSender(node, line, protocol, '400');
  expect(answers()).toContain('400 Bad Request');
});

it('a refused peer that does not disconnect is disconnected', async () => {
  const node = await start();
  const { socket } = await rawSender(node, 'GET /v1/other', 'stele-segments', '400', false);
  let isCutOff = false;
  socket.on('error', () => (isCutOff = true));
  const tryToWrite = (): boolean => {
    if (!socket.destroyed) socket.write('x');
    return isCutOff;
  };
  await expect.poll(tryToWrite, { timeout: 5000, interval: 100 }).toBe(true);
});

it('a node that closes ends the connections of senders in the middle', async () => {
  const node = await start();
  const segment = oneSegment(40_000);
  const { answers, socket } = await rawSender(node);
  socket.write(announcement(segment));
  await expect.poll(answers).toContain('send');
  socket.write(segment.bytes.subarray(0, 5000));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await node.close();
  await closed;
});

it('an aborted push ends at once', async () => {
  const node = await start();
  const abort = new AbortController();
  abort.abort();
  const pushed = put(node, oneSegment(1000), { signal: abort.signal });
  await expect(pushed).rejects.toMatchObject({ code: 'CANCELLED' });
});

async function rawSender(
  { address }: RunningDatanode,
  line = 'GET /v1/segments',
  protocol = 'stele-segments',
  status = '101',
  hangsUp = true,
): Promise<{ readonly socket: Socket; readonly answers: () => string }> {
  const socket = createConnection({ port: address.httpPort, allowHalfOpen: !hangsUp });
  onTestFinished(() => void socket.destroy());
  let received = '';
  socket.on('data', (bytes) => (received += bytes.toString('latin1')));
  // A reset counts as an end here.
  socket.on('error', () => undefined);
  const headers = `host: n1\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n`;
  socket.write(`${line} HTTP/1.1\r\n${headers}\r\n`);
  await expect.poll(() => received).toContain(`HTTP/1.1 ${status}`);
  return { socket, answers: () => received };
}

function announcement({ bytes, info }: BuiltSegment): Buffer {
  return encodeFrame({
    keyspaceUid: TEST_UID,
    segmentId: info.id,
    byteLength: bytes.length,
    expectNode: 'n1',
    expectIncarnation: '',
    loadId: 'l',
  });
}

/** Each byte in its own event-loop tick. */
async function trickle(socket: Socket, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at++) {
    socket.write(bytes.subarray(at, at + 1));
    await new Promise((resolve) => setImmediate(resolve));
  }
}
