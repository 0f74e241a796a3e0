// SLOWLOG and LATENCY of a listener whose clock the test moves.

import { expect, it } from 'vitest';
import { TIMING_DEFAULTS } from '../../../resp/commands/timing-settings.ts';
import type { TimingSettings } from '../../../resp/commands/timing-settings.ts';
import { MapBackend } from '../map-backend.ts';
import { RawClient, ask, listenFor } from '../raw-client.ts';
import { multibulk } from '../split.ts';
import { argumentText } from '../../../resp/wire/decoder.ts';
import type { Reply } from '../../../resp/wire/reply-decoder.ts';

/** A listener on whose clock a GET of `slow-N` takes N ms, and everything else no time. */
async function slowListener(
  timing: Partial<TimingSettings> = {},
): Promise<{ port: number; backend: MapBackend; readings: () => number }> {
  let nowMs = 1000;
  let readings = 0;
  const backend = new MapBackend();
  const execute = backend.execute.bind(backend);
  backend.execute = (spec, command, session, out) => {
    const word = command.argc > 1 ? argumentText(command, 1) : '';
    nowMs += Number(/^slow-(\d+)/.exec(word)?.[1] ?? 0);
    return execute(spec, command, session, out);
  };
  const { port } = await listenFor(backend, {
    nowMs: () => {
      readings++;
      return nowMs;
    },
    timing: { ...TIMING_DEFAULTS, ...timing },
  });
  return { port, backend, readings: () => readings };
}

interface Entry {
  readonly id: number;
  readonly microseconds: number;
  readonly shown: readonly string[];
  readonly client: string;
  readonly clientName: string;
}

function plain(reply: Reply | undefined): unknown {
  if (reply?.type === 'array') return reply.items.map(plain);
  if (reply?.type === 'bulk') return reply.bytes.toString();
  return reply?.type === 'integer' ? reply.value : undefined;
}

/** The entries of SLOWLOG, the newest first. */
async function slowLog(port: number): Promise<Entry[]> {
  const [reply] = await new RawClient(port).send('SLOWLOG GET -1\r\n').wait(1);
  return (plain(reply) as unknown[][]).map(([id, unixSeconds, microseconds, shown, ...who]) => {
    expect(Math.abs(Number(unixSeconds) - Date.now() / 1000)).toBeLessThan(100);
    const [client = '', clientName = ''] = who as string[];
    return { id, microseconds, shown, client, clientName } as Entry;
  });
}

const pipeline = (...commands: string[]): Buffer =>
  Buffer.concat(commands.map((line) => multibulk(...line.split(' '))));

it('keeps a command that took long, with its client', async () => {
  const { port } = await slowListener();
  const client = new RawClient(port);
  for (const [index, line] of ['CLIENT SETNAME me', 'GET slow-9', 'GET slow-12'].entries()) {
    await client.send(`${line}\r\n`).wait(index + 1);
  }
  const [entry, ...others] = await slowLog(port);
  expect(entry).toMatchObject({ id: 0, microseconds: 12_000, shown: ['GET', 'slow-12'] });
  expect(entry?.client).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(entry?.clientName).toBe('me');
  expect(others).toEqual([]);
});

it.each([
  ['the last one of what has arrived', ['get a', 'get b', 'get slow-20']],
  ['the one before an expensive command', ['get a', 'get slow-20', 'info', 'get b']],
  ['the one before an error', ['get a', 'get slow-20', 'nonsense', 'get b']],
  ['an expensive one after cheap ones', ['get a', 'get b', 'info slow-20', 'get b']],
  ['one of a transaction', ['multi', 'get a', 'get slow-20', 'get b', 'exec']],
])('names the right command of a pipeline: %s', async (_, commands) => {
  const { port } = await slowListener();
  const client = new RawClient(port).send(pipeline(...commands));
  await client.wait(commands.length);
  const entries = await slowLog(port);
  expect(entries.map(({ microseconds }) => microseconds)).toEqual([20_000]);
  expect(entries[0]?.shown.at(-1)).toBe('slow-20');
});

it('names the last command even if a part of the next one has arrived', async () => {
  const { port } = await slowListener();
  const client = new RawClient(port).send(
    Buffer.concat([pipeline('get a', 'get slow-20'), Buffer.from('*2\r\n$3\r\nGET\r\n$4\r\nm')]),
  );
  await client.wait(2);
  expect((await slowLog(port))[0]?.shown).toEqual(['get', 'slow-20']);
});

it('reads the clock once for many short commands, and for each with a threshold below 1 ms', async () => {
  const { port, readings } = await slowListener({ slowlogMaxLen: 1000 });
  const gets = Array.from({ length: 60 }, (_, index) => `get ${index}`);
  const client = new RawClient(port).send('CLIENT ID\r\n');
  await client.wait(1);
  const before = readings();
  client.send(pipeline(...gets));
  await client.wait(61);
  expect(readings() - before).toBeLessThan(20);
  await ask(port, 'CONFIG SET slowlog-log-slower-than 0');
  client.send(pipeline(...gets));
  await client.wait(121);
  const entries = await slowLog(port);
  const names = entries.map(({ shown }) => shown.join(' ')).reverse();
  expect(names.filter((name) => name.startsWith('get '))).toEqual(gets);
});

it('keeps nothing when it is off', async () => {
  const { port } = await slowListener({ slowlogMaxLen: 0, slowlogLogSlowerThan: 0 });
  await ask(port, 'GET slow-20');
  expect(await slowLog(port)).toEqual([]);
  const other = await slowListener();
  await ask(other.port, 'CONFIG SET slowlog-log-slower-than -1', 'GET slow-20');
  expect(await slowLog(other.port)).toEqual([]);
});

it('keeps no password, and no EXEC', async () => {
  const { port } = await slowListener({ slowlogLogSlowerThan: 0 });
  await ask(port, 'AUTH geo secret', 'HELLO 2 AUTH geo secret', 'MULTI', 'GET a', 'EXEC');
  const names = (await slowLog(port)).map(({ shown }) => shown.join(' ').toLowerCase());
  expect(names.join('\n')).not.toContain('secret');
  expect(names).toContain('auth (redacted) (redacted)');
  expect(names).toContain('get a');
  expect(names).not.toContain('exec');
});

it('times a command that waits until its reply is known, and shows its arguments', async () => {
  const { backend, port } = await slowListener({ latencyMonitorThreshold: 10 });
  backend.later = [];
  const client = new RawClient(port).send(pipeline('get a', 'get b'));
  while (backend.later.length < 2) await new Promise((resolve) => setImmediate(resolve));
  const [first, second] = backend.later;
  if (first !== undefined) first.beganMs -= 30_000;
  second?.finish();
  first?.finish();
  await client.wait(2);
  const entries = await slowLog(port);
  expect(entries.map(({ shown }) => shown)).toEqual([['get', 'a']]);
  expect(entries[0]?.microseconds).toBeGreaterThanOrEqual(30_000_000);
  expect(await ask(port, 'LATENCY LATEST')).toMatch(/^\*1\r\n\*4\r\n\$13\r\ndatanode-wait\r\n/);
});

it('notes events above the threshold of LATENCY, by kind', async () => {
  const { port } = await slowListener({ latencyMonitorThreshold: 15 });
  for (const line of ['GET slow-14', 'GET slow-15', 'INFO slow-30', 'INFO slow-20']) {
    await ask(port, line);
  }
  const latest = await ask(port, 'LATENCY LATEST');
  expect(latest.replace(/:\d{9,}/g, ':TIME')).toBe(
    '*2\r\n*4\r\n$12\r\nfast-command\r\n:TIME\r\n:15\r\n:15\r\n*4\r\n$7\r\ncommand\r\n:TIME\r\n:30\r\n:30\r\n',
  );
  expect(await ask(port, 'LATENCY RESET command nothing', 'LATENCY RESET', 'LATENCY LATEST')).toBe(
    ':1\r\n:1\r\n*0\r\n',
  );
});

it('divides the time of a run among its commands in LATENCY HISTOGRAM', async () => {
  const { port } = await slowListener();
  const client = new RawClient(port).send(
    pipeline('get a', 'get b', 'ping', 'get c', 'get slow-5'),
  );
  await client.wait(5);
  expect(await ask(port, 'LATENCY HISTOGRAM get nothing')).toBe(
    '*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:4\r\n$14\r\nhistogram_usec\r\n*2\r\n:1056\r\n:4\r\n',
  );
  expect(await ask(port, 'CONFIG RESETSTAT', 'LATENCY HISTOGRAM get')).toBe('+OK\r\n*0\r\n');
});
