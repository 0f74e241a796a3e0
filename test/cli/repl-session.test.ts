// The session of `stele cli` with several servers.

import { expect, test } from 'vitest';
import { CliSession } from '../../cli/repl/repl-session.ts';
import { refusingPort } from '../support/peers/peers.ts';
import { stele } from '../support/process/stele-process.ts';
import { startRespServer } from './resp-server.ts';

const host = '127.0.0.1';

test('uses the first server that answers, and the next one when that is gone', async () => {
  const servers = [await startRespServer([['k', 'one']]), await startRespServer([['k', 'two']])];
  const ports = [await refusingPort(), ...servers.map(({ port }) => port)];
  const addresses = ports.map((port) => ({ host, port }));
  const session = new CliSession({ addresses, keyspace: 'geo' });
  const read = async (): Promise<string> => JSON.stringify(await session.execute(['PING']));
  expect(await read()).toContain('PONG');
  expect(session.prompt).toBe(`${host}:${ports[1]}[geo]> `);
  await servers[0]?.stop();
  expect(await read()).toContain('PONG');
  expect(session.prompt).toBe(`${host}:${ports[2]}[geo]> `);
  await servers[1]?.stop();
  await expect(read()).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(
      `^None of ${addresses.map((one) => `${one.host}:${one.port}`).join(', ')} answers. The last one: Nothing answers`,
    ) as string,
  });
  await servers[0]?.start();
  expect(await read()).toContain('PONG');
  session.close();
});

test('a server that hangs is left at the next command', async () => {
  const servers = [await startRespServer([]), await startRespServer([])];
  const addresses = servers.map(({ port }) => ({ host, port }));
  const session = new CliSession({ addresses, keyspace: undefined }, { replyTimeoutMs: 200 });
  await expect(session.execute(['GET', 'hang'])).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
  });
  await session.execute(['PING']);
  expect(session.prompt).toBe(`${host}:${servers[1]?.port}[default]> `);
  session.close();
});

test('-h takes hosts with and without a port', async () => {
  const server = await startRespServer([]);
  const dead = await refusingPort();
  const asked = (hosts: string) => stele(['cli', '-h', hosts, '-p', String(dead), 'PING']);
  expect(await asked(`${host},${host}:${server.port}`)).toMatchObject({
    code: 0,
    stdout: 'PONG\n',
  });
  expect(await asked(`${host},`)).toMatchObject({ code: 2 });
});
