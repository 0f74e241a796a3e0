import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { tempDir } from '../../support/temp-dir.ts';
import { startRespServer } from '../resp-server.ts';
import { stele } from '../run-stele.ts';

const SHORT = ['--duration', '200ms', '--warm-up', '50ms', '-o', 'json'];

function keysFile(...keys: string[]): string {
  const path = join(tempDir(), 'keys');
  writeFileSync(path, keys.join('\n'));
  return path;
}

it('reads over the Redis protocol, pipelined, and reports', async () => {
  const { port } = await startRespServer([
    ['a', '1'],
    ['b', 'two'],
  ]);
  const keys = ['--keys-from', keysFile('a', 'b', 'missing')];
  const load = ['--connections', '2', '--pipeline', '4', ...SHORT];
  const done = await stele(['bench', '--redis', `127.0.0.1:${port}`, ...keys, ...load]);
  const report = JSON.parse(done.stdout) as Record<string, number>;
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(report).toMatchObject({ keys: 3, connections: 2, pipeline: 4, errors: [], changed: 0 });
  expect(report['hits']).toBeGreaterThan(0);
  expect(report['misses']).toBeGreaterThan(0);
  expect(report['reads']).toBe((report['hits'] ?? 0) + (report['misses'] ?? 0));
});

it('reads at a fixed rate', async () => {
  const { port } = await startRespServer([['a', '1']]);
  const words = ['bench', '--redis', `127.0.0.1:${port}`, '--keys-from', keysFile('a')];
  const done = await stele([...words, '--rate', '500', '--connections', '4', ...SHORT]);
  expect(JSON.parse(done.stdout)).toMatchObject({ rate: 500, unsent: 0, errors: [] });
});

it('reads over HTTP; another 404 than that of a missing key is an error', async () => {
  const server = createServer((request, response) => {
    const isFound = request.url?.endsWith('/%61') === true;
    const code = request.url?.endsWith('/%62') === true ? 'NOT_FOUND' : 'KEYSPACE_NOT_FOUND';
    const body = isFound ? 'value' : JSON.stringify({ code });
    response.writeHead(isFound ? 200 : 404, { 'content-length': body.length });
    response.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const run = (...keys: string[]) =>
    stele([
      'bench',
      'ks',
      '--http',
      `127.0.0.1:${port}`,
      '--keys-from',
      keysFile(...keys),
      ...SHORT,
    ]);
  const good = await run('a', 'b');
  expect(good.code).toBe(0);
  expect(JSON.parse(good.stdout)).toMatchObject({ errors: [], changed: 0 });
  const bad = await run('a', 'c');
  expect(bad.code).toBe(1);
  expect(JSON.parse(bad.stdout)).toMatchObject({ errors: [{ error: 'KEYSPACE_NOT_FOUND' }] });
});

it.each<[string[], number, RegExp]>([
  [['--redis', '127.0.0.1:1'], 4, /Nothing answers at 127.0.0.1:1/],
  [['--http', '127.0.0.1:1'], 2, /Over HTTP there is no scan/],
  [['--http', 'x', '--keys-from', 'k'], 2, /--http: 'x' is not HOST:PORT/],
  [['--http', '127.0.0.1:1', '--pipeline', '2'], 2, /one read in flight/],
  [['--http', '127.0.0.1:1', '--library'], 2, /not both/],
  [['--redis', 'a:1,b:2'], 2, /--redis takes one address/],
])('%j ends with its exit code and a sentence', async (words, code, sentence) => {
  const done = await stele(['bench', ...words]);
  expect(done).toMatchObject({ code, stdout: '' });
  expect(done.stderr).toMatch(sentence);
});

it('needs keys', async () => {
  const { port } = await startRespServer([['a', '1']]);
  const from = (path: string) =>
    stele(['bench', '--redis', `127.0.0.1:${port}`, '--keys-from', path]);
  expect((await from('/no/such')).stderr).toMatch(/cannot be read \(ENOENT\)/);
  expect((await from(keysFile(''))).stderr).toMatch(/There are no keys in/);
});

it('counts reads without an answer as errors, and goes on over another connection', async () => {
  const { port } = await startRespServer([['a', '1']]);
  const keys = ['--keys-from', keysFile(...Array.from({ length: 30 }, () => 'a'), 'hang')];
  const load = ['--connections', '1', '--timeout', '300ms', '--duration', '1s', '-o', 'json'];
  const done = await stele(['bench', '--redis', `127.0.0.1:${port}`, ...keys, ...load]);
  expect(done.code).toBe(1);
  expect(JSON.parse(done.stdout)).toMatchObject({ errors: [{ error: 'no answer for 300 ms' }] });
  expect((JSON.parse(done.stdout) as { hits: number }).hits).toBeGreaterThan(0);
});
