// More clients than a datanode has file descriptors: it keeps some for its master, its peers and
// its files.

import { writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { tempDir } from '../../support/temp-dir.ts';

const FILES_MAX = 160;

/** Idle clients, some of which may be refused. Resolves when each is connected or refused. */
async function clients(host: string, port: number, count: number): Promise<void> {
  const settled = Array.from({ length: count }, () => {
    const socket = createConnection({ host, port });
    onTestFinished(() => void socket.destroy());
    return new Promise<void>((resolve) => {
      socket.once('connect', () => resolve());
      socket.on('error', () => resolve());
    });
  });
  await Promise.all(settled);
}

test('clients never use up the file descriptors of a datanode', async () => {
  const limited = ['bash', '-c', `ulimit -n ${FILES_MAX} && exec "$@"`, 'limited'];
  const cluster = await TestCluster.start({
    ...{ datanodes: 1, replication: 1 },
    placeOf: (name) => ({ within: name === 'node-0' ? limited : [], host: '127.0.0.1' }),
  });
  onTestFinished(() => cluster.close());
  const node = cluster.node('node-0');
  const ports = [node.resp, node.http, node.grpc];
  await Promise.all(ports.map((port) => clients(node.host, port, 2 * FILES_MAX)));
  const file = join(tempDir(), 'rows.data');
  writeFileSync(file, 'a 1\nb 2\n');
  // The flood itself may cost a heartbeat: the load waits for a suspect node, which must recover
  // while the clients stay connected.
  await cluster.load('rows', [file]);
  expect((await cluster.health()).status).toBe('green');
  expect(cluster.log('node-0')).toMatch(/the process may open 160 files \(raise `ulimit -n`/);
}, 60_000);
