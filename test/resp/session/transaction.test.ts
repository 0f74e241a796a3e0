import { describe, expect, it } from 'vitest';
import { MapBackend } from '../map-backend.ts';
import { RawClient, ask, listenFor, until } from '../raw-client.ts';
import { multibulk } from '../split.ts';

const VALUES = [
  ['a', '1'],
  ['b', '2'],
] as const;

describe('a transaction', () => {
  it('answers what was queued as one array, in order', async () => {
    const { port } = await listenFor(new MapBackend(VALUES));
    expect(await ask(port, 'MULTI', 'GET a', 'PING', 'GET none', 'EXEC', 'GET b')).toBe(
      '+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$1\r\n1\r\n+PONG\r\n$-1\r\n$1\r\n2\r\n',
    );
  });

  it('waits for replies that come later, in any order, and keeps later replies after them', async () => {
    const backend = new MapBackend(VALUES);
    backend.later = [];
    const { port } = await listenFor(backend);
    const client = new RawClient(port).send('MULTI\r\nGET a\r\nPING\r\nGET b\r\nEXEC\r\nPING\r\n');
    await until(() => backend.later?.length === 2);
    backend.later[1]?.finish();
    backend.later[0]?.finish();
    await client.wait(6);
    expect(client.text).toMatch(/\*3\r\n\$1\r\n1\r\n\+PONG\r\n\$1\r\n2\r\n\+PONG\r\n$/);
  });

  it.each(['foo', 'GET', 'SET a b', 'HELLO 3', 'CLIENT REPLY OFF'])(
    'is discarded if one of its commands is wrong: %s',
    async (wrong) => {
      const { port } = await listenFor(new MapBackend(VALUES));
      const reply = await ask(port, 'MULTI', wrong, 'GET a', 'EXEC', 'GET a');
      expect(reply).toMatch(
        /^\+OK\r\n-ERR [^\r]*\r\n\+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors\.\r\n\$1\r\n1\r\n$/,
      );
    },
  );

  it('has an error in place of a command that fails', async () => {
    const { port } = await listenFor(new MapBackend(VALUES));
    expect(await ask(port, 'MULTI', 'SELECT 99', 'GET a', 'EXEC')).toMatch(
      /\*2\r\n-ERR DB index is out of range\r\n\$1\r\n1\r\n$/,
    );
  });

  it('is bounded in arguments and bytes', async () => {
    const { port } = await listenFor(new MapBackend(VALUES));
    const many = multibulk('MGET', ...Array.from({ length: 40_000 }, () => 'k'));
    const long = multibulk('ECHO', 'x'.repeat(1024 * 1024));
    const scans = Array.from({ length: 17 }, () => multibulk('RANDOMKEY'));
    for (const commands of [[many, many], [long], scans]) {
      const client = new RawClient(port);
      client.send(Buffer.concat([multibulk('MULTI'), ...commands, multibulk('EXEC')]));
      const replies = await client.wait(commands.length + 2);
      expect(replies.at(-2)).toMatchObject({ type: 'error', text: /too large/ });
      expect(replies.at(-1)).toMatchObject({ type: 'error', text: /^EXECABORT/ });
    }
  });

  it('runs nothing when another version has gone live since WATCH', async () => {
    const backend = new MapBackend(VALUES);
    const { port } = await listenFor(backend);
    const client = new RawClient(port).send('WATCH a\r\nGET a\r\n');
    await client.wait(2);
    backend.switchVersion();
    client.send('MULTI\r\nGET a\r\nEXEC\r\nWATCH a\r\nMULTI\r\nGET a\r\nEXEC\r\n');
    await client.wait(9);
    expect(client.text).toMatch(
      /\+QUEUED\r\n\*-1\r\n\+OK\r\n\+OK\r\n\+QUEUED\r\n\*1\r\n\$1\r\n1\r\n$/,
    );
  });

  it('runs nothing when another version was live since WATCH, even if the first one is live again', async () => {
    const backend = new MapBackend(VALUES);
    const { port } = await listenFor(backend);
    const client = new RawClient(port).send('WATCH a\r\nPING\r\n');
    await client.wait(2);
    const { version } = backend;
    backend.switchVersion();
    backend.version = version - 1;
    backend.switchVersion();
    expect(backend.version).toBe(version);
    client.send('MULTI\r\nGET a\r\nEXEC\r\nWATCH a\r\nUNWATCH\r\nMULTI\r\nGET a\r\nEXEC\r\n');
    await client.wait(10);
    expect(client.text).toMatch(/\*-1\r\n(?:\+OK\r\n){3}\+QUEUED\r\n\*1\r\n\$1\r\n1\r\n$/);
  });

  it('sends nothing while replies are off, and one reply is skipped as a whole', async () => {
    const { port } = await listenFor(new MapBackend(VALUES));
    const lines = ['MULTI', 'GET a', 'GET b', 'CLIENT REPLY SKIP', 'EXEC', 'PING'];
    // CLIENT REPLY is refused inside a transaction, so it comes before.
    expect(await ask(port, ...lines)).toMatch(/EXECABORT/);
    const off = ['CLIENT REPLY OFF', 'MULTI', 'GET a', 'EXEC', 'CLIENT REPLY ON', 'PING'];
    expect(await ask(port, ...off)).toBe('+OK\r\n+PONG\r\n');
  });

  it('is forgotten by RESET', async () => {
    const { port } = await listenFor(new MapBackend(VALUES));
    expect(await ask(port, 'MULTI', 'GET a', 'RESET', 'EXEC')).toMatch(
      /\+RESET\r\n-ERR EXEC without MULTI\r\n$/,
    );
  });
});
