// Clients that send a byte now and then and never a whole request: closed within 30 s, whatever the port.

import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../support/cluster.ts';

const CLOSED_MS_MAX = 30_000;
const BYTE_EVERY_MS = 700;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ datanodes: 1, replication: 1 });
});

afterAll(() => cluster?.close());

/** Sends `start` at once, then a byte of `rest` again and again; resolves with the time to the close. */
function dribble(port: number, start: string, rest: string): Promise<number> {
  const startedMs = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const done = (): void => {
      clearInterval(timer);
      clearTimeout(end);
      socket.destroy();
      resolve(performance.now() - startedMs);
    };
    let sent = 0;
    const timer = setInterval(() => {
      if (socket.writable) socket.write(rest.charAt(sent++ % rest.length));
    }, BYTE_EVERY_MS);
    const end = setTimeout(done, 2 * CLOSED_MS_MAX);
    socket.on('error', () => undefined).on('close', done);
    socket.write(start);
    socket.resume();
  });
}

const HEADERS = 'GET /livez HTTP/1.1\r\nhost: x\r\n';
const BODY =
  'POST /v1/keyspaces/default/lookup HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n';
const COMMAND = '*2\r\n$3\r\nGET\r\n$5000\r\n';

test.concurrent.each([
  ['headers to the master', () => cluster.master.http, HEADERS, 'x: y\r\n'],
  ['a body to the master', () => cluster.master.http, BODY, ' '],
  ['headers to a datanode', () => cluster.node('node-0').http, HEADERS, 'x: y\r\n'],
  ['nothing to a datanode', () => cluster.node('node-0').http, 'GET ', 'x'],
  ['a command to the master', () => cluster.master.resp, COMMAND, 'x'],
  ['a command to a datanode', () => cluster.node('node-0').resp, COMMAND, 'x'],
  ['an inline command to a datanode', () => cluster.node('node-0').resp, 'GET ', 'x'],
] as const)('who dribbles %s is closed within 30 s', async (_, port, start, rest) => {
  const tookMs = await dribble(port(), start, rest);
  expect(tookMs).toBeLessThan(CLOSED_MS_MAX);
  expect(tookMs).toBeGreaterThan(5000);
});
