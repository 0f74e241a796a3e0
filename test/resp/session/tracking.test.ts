import { COMMAND_SPECS } from '../../../resp/commands/command-spec.ts';
import { describe, expect, it } from 'vitest';
import { MapBackend } from '../map-backend.ts';
import { RawClient, ask, listenFor, until } from '../raw-client.ts';

const INVALIDATE = '>2\r\n$10\r\ninvalidate\r\n_\r\n';

async function tracking(backend: MapBackend, options = ''): Promise<RawClient> {
  const { port } = await listenFor(backend);
  const client = new RawClient(port).send(`HELLO 3\r\nCLIENT TRACKING ON ${options}\r\n`);
  await client.wait(2);
  client.text = '';
  return client;
}

describe('CLIENT TRACKING', () => {
  it.each(['', 'BCAST', 'BCAST PREFIX a PREFIX b', 'OPTIN', 'OPTOUT NOLOOP'])(
    'notifies of every version switch once: %s',
    async (options) => {
      const backend = new MapBackend([['a', '1']]);
      const client = await tracking(backend, options);
      for (const count of [1, 2]) {
        backend.switchVersion();
        await client.wait(2 + count);
      }
      client.send('GET a\r\n');
      await client.wait(5);
      expect(client.text).toBe(`${INVALIDATE}${INVALIDATE}$1\r\n1\r\n`);
    },
  );

  it('notifies after the replies of commands that came before the switch', async () => {
    const backend = new MapBackend([['a', '1']]);
    backend.later = [];
    const client = await tracking(backend);
    client.send('GET a\r\n');
    await until(() => backend.later?.length === 1);
    backend.switchVersion();
    client.send('GET a\r\n');
    await until(() => backend.later?.length === 2);
    for (const reply of backend.later) reply.finish();
    await client.wait(5);
    expect(client.text).toBe(`$1\r\n1\r\n${INVALIDATE}$1\r\n1\r\n`);
  });

  it('notifies no client that did not ask, or has stopped asking', async () => {
    const backend = new MapBackend();
    const client = await tracking(backend);
    client.send('CLIENT TRACKING OFF\r\n');
    await client.wait(3);
    backend.switchVersion();
    client.send('PING\r\n');
    await client.wait(4);
    expect(client.text).toBe('+OK\r\n+PONG\r\n');
  });

  it('needs RESP3, or a connection that is redirected to', async () => {
    const backend = new MapBackend();
    const { port } = await listenFor(backend);
    expect(await ask(port, 'CLIENT TRACKING ON')).toMatch(/^-ERR Tracking needs RESP3/);
    const listener = new RawClient(port).send('CLIENT ID\r\nSUBSCRIBE __redis__:invalidate\r\n');
    const [id] = await listener.wait(2);
    listener.text = '';
    const number = id?.type === 'integer' ? id.value : 0;
    const client = new RawClient(port).send(
      `CLIENT TRACKING ON REDIRECT ${number}\r\nCLIENT GETREDIR\r\nCLIENT TRACKINGINFO\r\n`,
    );
    await client.wait(3);
    expect(client.text).toContain(`+OK\r\n:${number}\r\n`);
    backend.switchVersion();
    await listener.wait(3);
    expect(listener.text).toBe('*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n');
    expect(await ask(port, 'CLIENT LIST')).toMatch(/ flags=P .* flags=t .* redir=\d/s);
  });

  it('reports its settings', async () => {
    const client = await tracking(new MapBackend(), 'OPTIN');
    client.send('CLIENT CACHING YES\r\nCLIENT TRACKINGINFO\r\nCLIENT CACHING NO\r\nRESET\r\n');
    client.send('CLIENT GETREDIR\r\n');
    await client.wait(7);
    expect(client.text).toBe(
      '+OK\r\n%3\r\n$5\r\nflags\r\n~3\r\n$2\r\non\r\n$5\r\noptin\r\n$11\r\ncaching-yes\r\n' +
        '$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*0\r\n' +
        '-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.\r\n' +
        '+RESET\r\n:-1\r\n',
    );
  });
});

describe('CLIENT KILL', () => {
  it('closes the selected connections, and its own after the reply', async () => {
    const { port } = await listenFor(new MapBackend());
    const first = new RawClient(port).send('CLIENT SETNAME a\r\n');
    await first.wait(1);
    const second = new RawClient(port).send('CLIENT KILL ID 1\r\nCLIENT KILL ID 1\r\n');
    await second.wait(2);
    expect(second.text).toBe(':1\r\n:0\r\n');
    await first.closed;
    second.send('CLIENT KILL TYPE normal SKIPME no\r\n');
    await second.closed;
    expect(second.text).toBe(':1\r\n:0\r\n:1\r\n');
  });
});

describe('INFO commandstats and errorstats', () => {
  it('count commands and errors until CONFIG RESETSTAT', async () => {
    const listener = await listenFor(new MapBackend([['a', '1']]));
    await ask(listener.port, 'GET a', 'GET a', 'SELECT 99', 'CLIENT ID');
    const { calls, errors } = listener.counts.commands.counters;
    expect(calls.reduce((sum, each) => sum + each, 0)).toBe(5);
    expect([...errors]).toEqual([['ERR', 1]]);
    // As in Redis, RESETSTAT is counted afterwards; and the QUIT of `ask`.
    await ask(listener.port, 'CONFIG RESETSTAT');
    const called = COMMAND_SPECS.filter(({ id }) => calls[id] === 1).map(({ name }) => name);
    expect(called.toSorted()).toEqual(['config|resetstat', 'quit']);
  });
});
