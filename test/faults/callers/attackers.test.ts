// Attackers of a cluster with TLS and users: strangers, a user with few rights, somebody who holds
// the certificate of a process, and bytes that are not what a port is for. Nothing gets in, and
// readers go on.

import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { putSegment } from '../../../loader/push/push.ts';
import { ClusterServiceClient } from '../../../proto/gen/stele/v1/cluster.ts';
import type { OrderHeader } from '../../../proto/gen/stele/v1/datanode.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import type { DatanodeLink } from '../../../proto/ports.ts';
import { segmentMeta, openSegment } from '../../../segment/reader.ts';
import { callUnary, openClient } from '../../../transport/grpc-channel.ts';
import { GrpcLinkFactory } from '../../../transport/grpc-link.ts';
import { PushConnections } from '../../../transport/segment-push.ts';
import { reseal } from '../../segment/pairs.ts';
import { handOver } from '../../support/faults/fault-table.ts';
import { SHORT } from '../../support/faults/faults.ts';
import {
  CLOSED_VALUE,
  READER,
  READER_PASSWORD,
  SecuredCluster,
} from '../../support/faults/secured-cluster.ts';
import { SteadyReads } from '../../support/faults/steady-reads.ts';
import { residentBytes } from '../../support/mutations/conversations.ts';
import { until } from '../../support/process/stele-process.ts';
import { infoOf, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { hasLibrary } from '../../support/tools.ts';

const HOST = '127.0.0.1';
const HALF_OPEN = SHORT ? 3000 : 10_000;
const FLOOD_BYTES = 80 * 1024 ** 2;
const MEMORY_GROWTH_MAX = 256 * 1024 ** 2;
const options = { deadlineMs: 5000 };
let cluster: SecuredCluster;
let view: ClusterView;
let reads: SteadyReads;

type Who = Parameters<SecuredCluster['identity']>[0];
/**
 * Those who are not a process of the cluster. A foreign certificate fails the handshake, which has
 * no code.
 */
const NOT_OF_IT: readonly Who[] = ['nobody', 'reader', 'foreign node'];
const REFUSALS = /^(?:UNAUTHENTICATED|PERMISSION_DENIED|UNAVAILABLE)$/;

beforeAll(async () => {
  cluster = await SecuredCluster.start('tls');
  view = (await getView('reader')) ?? expect.fail('no view');
  reads = new SteadyReads(cluster);
  await until('reads', () => reads.done > 200);
}, 120_000);

afterAll(async () => {
  await reads?.stop();
  await cluster?.close();
}, 60_000);

/** The code of what `call` throws; undefined if it throws nothing. */
async function codeOf(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (thrown) {
    return thrown instanceof SteleError ? thrown.code : String(thrown);
  }
}

async function withMaster<Result>(
  who: Who,
  use: (client: ClusterServiceClient) => Promise<Result>,
): Promise<Result> {
  const address = `${HOST}:${cluster.at('master').grpc}`;
  const client = openClient(ClusterServiceClient, address, { tls: cluster.identity(who) });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

function getView(who: Who): Promise<ClusterView | undefined> {
  return withMaster(who, async (client) => {
    const answer = await callUnary(client.getView.bind(client), {}, 'master', options);
    return answer.view;
  });
}

function linkTo(id: string, who: Who): DatanodeLink {
  const node = view.nodes.find((one) => one.id === id);
  const factory = new GrpcLinkFactory({ tls: cluster.identity(who) });
  const link = factory.connect({ nodeId: id, address: node?.address ?? expect.fail(id) });
  onTestFinished(() => link.close());
  return link;
}

/** As the leader would write it. */
function headerFor(id: string, changes: Partial<OrderHeader> = {}): OrderHeader {
  const incarnation = view.nodes.find((one) => one.id === id)?.incarnation ?? '';
  const { clusterId = '', epoch, term } = view;
  return { clusterId, epoch, term, nodeId: id, incarnation, ...changes };
}

/**
 * Questions of a master, which one that was replaced is answered, too: so it learns of its
 * successor.
 */
const QUESTIONS = ['heartbeat', 'holdings'];

/** Every order that takes data away or stops a process. */
function orders(link: DatanodeLink, header: OrderHeader): [string, () => Promise<unknown>][] {
  const empty: ClusterView = { ...view, keyspaces: [], revision: view.revision + 1000 };
  return [
    ['view', () => link.applyView({ header, view: empty }, options)],
    [
      'drop',
      () => link.dropSegments({ header, segments: [], versions: [], holdingsRevision: 0 }, options),
    ],
    ['copy', () => link.copySegments({ header, orders: [], bytesPerSecondMax: 0 }, options)],
    [
      'merge',
      () =>
        link.mergeSegments({ header, orders: [], bytesPerSecondMax: 0, segmentFormat: 1 }, options),
    ],
    ['restart', () => link.restart({ header }, options)],
    ['heartbeat', () => link.heartbeat({ header }, options)],
    ['holdings', () => link.listHoldings({ header, sinceRevision: 0 }, options)],
  ];
}

/** Checks that readers read on, and that nothing has changed. */
async function expectUnharmed(what: string, row: string): Promise<void> {
  const { done } = reads;
  const { failed, p50Ms, p99Ms, reads: count } = reads.lap();
  handOver({
    row,
    fault: what,
    trials: 1,
    reads: count,
    failed,
    p99Ms,
    seen: `p50 ${p50Ms.toFixed(1)} ms`,
  });
  await until('reads to go on', () => reads.done > done + 50);
  expect(reads.wrong).toEqual([]);
  const listed = await cluster.command('keyspaces');
  for (const name of ['open', 'closed'])
    expect(listed).toMatch(new RegExp(`^${name} .* 100 `, 'm'));
  const nodes = await cluster.command('nodes');
  expect(nodes.match(/serving/g)).toHaveLength(2);
  expect(cluster.log).not.toMatch(/"level":60/);
}

describe('who is not of the cluster', () => {
  test.each(NOT_OF_IT)('gives no order: %s', async (who) => {
    const link = linkTo('node-0', who);
    for (const [name, order] of orders(link, headerFor('node-0'))) {
      expect([name, await codeOf(order)]).toEqual([name, expect.stringMatching(REFUSALS)]);
    }
    await expectUnharmed(`orders by ${who}`, '40a');
  });

  test.each(NOT_OF_IT)('registers no datanode: %s', async (who) => {
    const request = {
      ...{ nodeId: 'node-0', incarnation: 'ffffffffffffffff', zone: '', segmentFormat: 99 },
      ...{ clusterId: view.clusterId ?? '', weight: 100 },
      address: { host: HOST, httpPort: 1, respPort: 1, grpcPort: 1 },
    };
    const code = await codeOf(() =>
      withMaster(who, (client) =>
        callUnary(client.registerNode.bind(client), request, 'master', options),
      ),
    );
    expect(code).toMatch(REFUSALS);
    await expectUnharmed(`registers as node-0: ${who}`, '40b');
  });

  test.each(['nobody', 'foreign node'] as const)('sees no view: %s', async (who) => {
    expect(await codeOf(() => getView(who))).toMatch(REFUSALS);
  });

  test.each(NOT_OF_IT)('uploads nothing: %s', async (who) => {
    expect(await codeOf(() => upload(who, false))).toMatch(REFUSALS);
  });

  test('sees of the view only what it may read: reader', () => {
    expect(view.keyspaces.map(({ name }) => name)).toEqual(['open']);
  });
});

/** Puts a segment on node-0; with a wrong index, its checksums are right all the same. */
async function upload(who: Who, isWrong: boolean): Promise<void> {
  const node = view.nodes.find(({ id }) => id === 'node-0') ?? expect.fail('no node-0');
  const uid = view.keyspaces[0]?.uid ?? '';
  const [segment] = segmentsOf(numberedPairs(50), 1, uid);
  if (segment === undefined) throw new Error('no segment');
  const bytes = Buffer.from(new Uint8Array(segment.bytes).buffer);
  if (isWrong) {
    bytes.writeUInt16LE(bytes.readUInt16LE(128 + 26) + 1, 128 + 26);
    reseal(bytes);
  }
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const info = infoOf({ bytes, info: segmentMeta(openSegment(bytes)) });
  const links = new PushConnections(node, { tls: cluster.identity(who) });
  try {
    const into = { keyspaceUid: uid, loadId: 'attack' };
    await putSegment(links, node, into, { info, bytes: shared }, new AbortController().signal);
  } finally {
    links.close(new SteleError('CANCELLED', 'The test is over.'));
  }
}

describe('who holds the certificate of a process', () => {
  test.each<[string, Partial<OrderHeader>, RegExp]>([
    ['of an older epoch', { epoch: 0 }, /STALE_EPOCH|INVALID_ARGUMENT|CONFLICT/],
    [
      'of an epoch that no master has made',
      { epoch: Number.MAX_SAFE_INTEGER },
      /STALE_EPOCH|CONFLICT|INVALID_ARGUMENT/,
    ],
    ['of another term', { term: '0123456789abcdef' }, /STALE_EPOCH/],
    ['for another cluster', { clusterId: 'f'.repeat(16) }, /CONFLICT/],
    ['for no cluster', { clusterId: '' }, /CONFLICT|INVALID_ARGUMENT/],
    ['for another node', { nodeId: 'node-1' }, /WRONG_NODE/],
    ['for no node', { nodeId: '' }, /WRONG_NODE/],
    ['for an earlier run of the node', { incarnation: '0123456789abcdef' }, /WRONG_NODE/],
  ])('has no order carried out %s', async (_what, changes, expected) => {
    const link = linkTo('node-0', 'node');
    for (const [name, order] of orders(link, headerFor('node-0', changes))) {
      const code = await codeOf(order);
      if (!QUESTIONS.includes(name))
        expect([name, code]).toEqual([name, expect.stringMatching(expected)]);
    }
    await expectUnharmed('replayed and forged orders', '40c');
  });

  test('has no segment with a wrong index taken', async () => {
    expect(await codeOf(() => upload('node', true))).toBe('CORRUPT');
    await expectUnharmed('a segment with a wrong index', '40d');
  });
});

describe('bytes that a port is not for', () => {
  const PORTS = ['http', 'resp', 'grpc'] as const;

  test.each(PORTS)('plain bytes at the port of %s end, and get nothing', async (port) => {
    for (const title of ['master', 'datanode node-0']) {
      for (const text of [
        'GET key-1\r\n',
        'GET /v1/keyspaces HTTP/1.1\r\nhost: x\r\n\r\n',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      ]) {
        const socket = connect(cluster.at(title)[port], HOST);
        socket.write(text);
        expect(String(await received(socket))).not.toMatch(/value-of|HTTP\/1.1 200/);
      }
    }
    await expectUnharmed('plain bytes at ports with TLS', '40e');
  });

  test(`${FLOOD_BYTES} bytes of empty keys`, async () => {
    const { pid, resp } = cluster.at('datanode node-0');
    const before = residentBytes(pid);
    const login = `*3\r\n$4\r\nAUTH\r\n$${READER.length + 5}\r\n${READER}@open\r\n$${READER_PASSWORD.length}\r\n${READER_PASSWORD}\r\n`;
    const command = `*65001\r\n$4\r\nMGET\r\n${'$0\r\n\r\n'.repeat(65_000)}`;
    for (const first of ['', login]) {
      const answer = await flood(resp, first, command);
      const expected =
        first === '' ? /^-ERR Protocol error: unauthenticated multibulk/ : /^\+OK\r\n/;
      expect(String(answer.subarray(0, 200))).toMatch(expected);
    }
    expect(residentBytes(pid) - before).toBeLessThan(MEMORY_GROWTH_MAX);
    await expectUnharmed('80 MB of empty keys', '40f');
  });

  test('a body of 80 MB, by nobody', async () => {
    const { http, pid } = cluster.at('master');
    const before = residentBytes(pid);
    const head = `POST /v1/keyspaces/open/lookup HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${FLOOD_BYTES}\r\n\r\n{"keys":[`;
    expect(String(await flood(http, head, '"",'.repeat(50_000)))).toMatch(/^HTTP\/1.1 (?:401|413)/);
    expect(residentBytes(pid) - before).toBeLessThan(MEMORY_GROWTH_MAX);
    await expectUnharmed('a body of 80 MB', '40g');
  });

  test(`${HALF_OPEN} handshakes that are begun and not ended`, async () => {
    const { pid, resp } = cluster.at('datanode node-1');
    const before = residentBytes(pid);
    let closed = 0;
    const sockets = Array.from({ length: HALF_OPEN }, () => {
      const socket = connect(resp, HOST);
      socket.on('error', () => undefined).on('close', () => closed++);
      socket.resume();
      // The start of a ClientHello.
      socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0]));
      return socket;
    });
    onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
    await until('all to be closed', () => closed === HALF_OPEN, 60_000);
    expect(residentBytes(pid) - before).toBeLessThan(MEMORY_GROWTH_MAX);
    await expectUnharmed(`${HALF_OPEN} half-open handshakes`, '40h');
  });

  test.runIf(hasLibrary('openssl', 'openssl', ['version'], 'openssl'))(
    'a renegotiation ends the connection',
    async () => {
      const { resp } = cluster.at('master');
      const words = [
        's_client',
        '-connect',
        `${HOST}:${resp}`,
        '-tls1_2',
        '-CAfile',
        join(cluster.certs, 'ca.crt'),
      ];
      const child = spawn('openssl', words, { stdio: ['pipe', 'pipe', 'pipe'] });
      onTestFinished(() => void child.kill());
      let printed = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data) => (printed += data));
      await until('the handshake', () => /Verify return code: 0/.test(printed));
      const ended = new Promise((resolve) => child.once('close', resolve));
      // A line `R` asks for a renegotiation.
      child.stdin.write('R\n');
      await ended;
      expect(printed).toMatch(/RENEGOTIATING/);
      expect(printed).toMatch(/no renegotiation|alert|errno|closed|error/i);
      await expectUnharmed('renegotiation', '40i');
    },
  );
});

/** What a socket receives until it is closed. */
function received(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  return new Promise((resolve) => socket.once('close', () => resolve(Buffer.concat(chunks))));
}

/**
 * Sends `head` and then `piece` again and again, until it is FLOOD_BYTES or closed; resolves to the
 * answer at its end.
 */
async function flood(port: number, head: string, piece: string): Promise<Buffer> {
  const ca = readFileSync(join(cluster.certs, 'ca.crt'));
  const socket = connectTls({ host: HOST, port, ca, checkServerIdentity: () => undefined });
  const answer = received(socket);
  const part = Buffer.from(piece);
  socket.write(head);
  for (let sent = 0; sent < FLOOD_BYTES && socket.writable; sent += part.length) {
    if (!socket.write(part))
      await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), answer]);
  }
  socket.end();
  return answer;
}

test('no value that the attackers may not read was in any answer', () => {
  expect(cluster.log).not.toContain(CLOSED_VALUE);
});
