// A real redis-server, for comparison.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { until } from './stele-process.ts';
import { freePorts } from '../../../transport/listen.ts';
import { guard, unguard } from './watchdog.ts';

export interface RedisServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts one with `pairs` in it; on request as a whole cluster of one node. Call `close`. */
export async function startRedisServer(
  pairs: Iterable<readonly [string | Buffer, string | Buffer]>,
  asCluster = false,
): Promise<RedisServer> {
  const port = (await freePorts('127.0.0.1', 1))[0] ?? 0;
  const folder = mkdtempSync(join(tmpdir(), 'stele-redis-'));
  const options = [
    ['--port', String(port)],
    ['--bind', '127.0.0.1'],
    ['--save', ''],
    ['--slowlog-log-slower-than', '-1'],
    ['--dir', folder],
    ...(asCluster ? [['--cluster-enabled', 'yes']] : []),
  ];
  const child = spawn('redis-server', options.flat(), { stdio: 'ignore' });
  const { pid = -1 } = child;
  guard(pid);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    unguard(pid);
    rmSync(folder, { recursive: true, force: true });
  };
  const client = new Redis({ port, lazyConnect: true, enableReadyCheck: false });
  client.on('error', () => undefined);
  try {
    await until('redis-server to answer', () => isUp(client));
    if (asCluster) {
      await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      const isOk = async (): Promise<boolean> =>
        String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok');
      await until('the cluster of redis-server to be ok', isOk);
    }
    for (const [key, value] of pairs) await client.set(key, value);
  } catch (thrown) {
    await close();
    throw thrown;
  } finally {
    client.disconnect();
  }
  return { port, close };
}

async function isUp(client: Redis): Promise<boolean> {
  try {
    return (await client.ping()) === 'PONG';
  } catch {
    return false;
  }
}
