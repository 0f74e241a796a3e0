// Clients that send a byte now and then and never a complete request are closed within 30 s, on
// every port. Idle clients without a request are kept for a minute.

import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { SHORT } from '../../support/faults/faults.ts';

const CLOSED_MS_MAX = 30_000;
const BYTE_EVERY_MS = 700;
const KEPT_MS = 60_000;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ datanodes: 1, replication: 1 });
});

afterAll(() => cluster?.close());

/**
 * Sends `start` at once, then a byte of `rest` repeatedly; resolves to the time until the close.
 */
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

const HEADERS = 'GET /livez HTTP/1.1\r\nhost: localhost\r\n';
const BODY =
  'POST /v1/keyspaces/default/lookup HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n';
const LOOKUPS =
  'GET /v1/lookups HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: stele-lookups\r\n\r\n';
/** Announces 8 KiB. */
const LOOKUP = '\x00\x20\x00\x00';
const COMMAND = '*2\r\n$3\r\nGET\r\n$5000\r\n';

test.concurrent.each([
  ['headers to the master', () => cluster.master.http, HEADERS, 'x: y\r\n'],
  ['a body to the master', () => cluster.master.http, BODY, ' '],
  ['headers to a datanode', () => cluster.node('node-0').http, HEADERS, 'x: y\r\n'],
  ['nothing to a datanode', () => cluster.node('node-0').http, 'GET ', 'x'],
  ['a command to the master', () => cluster.master.resp, COMMAND, 'x'],
  ['a command to a datanode', () => cluster.node('node-0').resp, COMMAND, 'x'],
  ['a lookup to a datanode', () => cluster.node('node-0').http, LOOKUPS, LOOKUP],
  ['an inline command to a datanode', () => cluster.node('node-0').resp, 'GET ', 'x'],
] as const)('who dribbles %s is closed within 30 s', async (_, port, start, rest) => {
  const tookMs = await dribble(port(), start, rest);
  expect(tookMs).toBeLessThan(CLOSED_MS_MAX);
  expect(tookMs).toBeGreaterThan(5000);
});

/** Sends one request and then nothing; resolves to the time from the answer to the close. */
function askOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let answeredMs = 0;
    const end = setTimeout(() => socket.destroy(new Error('not closed')), 2 * KEPT_MS);
    socket.on('data', () => {
      answeredMs = performance.now();
    });
    socket.on('error', reject).on('close', () => {
      clearTimeout(end);
      resolve(performance.now() - answeredMs);
    });
    socket.write(`${HEADERS}\r\n`);
  });
}

// It takes a minute, which is too long for the short form.
const KEEPERS: readonly (readonly [string, () => number])[] = [
  ['the master', () => cluster.master.http],
  ['a datanode', () => cluster.node('node-0').http],
];
test.concurrent.each(SHORT ? [] : KEEPERS)(
  '%s keeps an idle HTTP connection for 60 s',
  async (_, port) => {
    const keptMs = await askOnce(port());
    expect(keptMs).toBeGreaterThan(KEPT_MS - 1000);
    expect(keptMs).toBeLessThan(KEPT_MS + CLOSED_MS_MAX / 3);
  },
);
