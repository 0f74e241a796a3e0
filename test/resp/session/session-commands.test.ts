import { describe, expect, it } from 'vitest';
import { MapBackend } from '../map-backend.ts';
import { RawClient, ask, listenFor } from '../raw-client.ts';
import { multibulk } from '../split.ts';

describe('session commands', () => {
  it.each([
    ['PING', '+PONG\r\n'],
    ['ping hello', '$5\r\nhello\r\n'],
    ['PING a b', "-ERR wrong number of arguments for 'ping' command\r\n"],
    ['ECHO "a b"', '$3\r\na b\r\n'],
    ['ECHO', "-ERR wrong number of arguments for 'echo' command\r\n"],
    ['get', "-ERR wrong number of arguments for 'get' command\r\n"],
    ['foo', "-ERR unknown command 'foo', with args beginning with: \r\n"],
    ['foo a b c', "-ERR unknown command 'foo', with args beginning with: 'a' 'b' 'c' \r\n"],
    ['"f\\r\\no" "\\r\\n"', "-ERR unknown command 'f  o', with args beginning with: '  ' \r\n"],
    ['SELECT 1', '+OK\r\n'],
    ['SELECT geo', '+OK\r\n'],
    ['SELECT 99', '-ERR DB index is out of range\r\n'],
    ['SELECT -1', '-ERR DB index is out of range\r\n'],
    ['SELECT x', "-ERR There is no keyspace 'x'; `stele keyspaces` lists those there are.\r\n"],
    ['AUTH default x', '+OK\r\n'],
    ['AUTH foo x', '-WRONGPASS invalid username-password pair or user is disabled.\r\n'],
    [
      'AUTH x',
      '-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n',
    ],
    ['AUTH a b c', '-ERR syntax error\r\n'],
    ['HELLO 4', '-NOPROTO unsupported protocol version\r\n'],
    ['HELLO abc', '-ERR Protocol version is not an integer or out of range\r\n'],
    ['HELLO 3 foo', "-ERR Syntax error in HELLO option 'foo'\r\n"],
    ['READONLY', '+OK\r\n'],
    ['READWRITE', '+OK\r\n'],
    ['ASKING', '+OK\r\n'],
    ['LATENCY LATEST', '*0\r\n'],
    ['LATENCY RESET a b', ':0\r\n'],
    ['LATENCY foo', "-ERR unknown subcommand 'foo'. Try LATENCY HELP.\r\n"],
    ['CLIENT', "-ERR wrong number of arguments for 'client' command\r\n"],
    ['CLIENT foo', "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n"],
    [
      'CLIENT MAINT_NOTIFICATIONS on',
      "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
    ],
    ['CLIENT GETNAME x', "-ERR wrong number of arguments for 'client|getname' command\r\n"],
    ['CLIENT GETNAME', '$-1\r\n'],
    ['CLIENT NO-EVICT on', '+OK\r\n'],
    ['CLIENT NO-TOUCH off', '+OK\r\n'],
    ['CLIENT NO-EVICT maybe', '-ERR syntax error\r\n'],
    ['CLIENT REPLY x', '-ERR syntax error\r\n'],
    ['CLIENT SETINFO lib-name x', '+OK\r\n'],
    [
      'CLIENT SETINFO LIB-VER "1 2"',
      '-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n',
    ],
    ['CLIENT SETINFO a b', "-ERR Unrecognized option 'a'\r\n"],
    [
      'CLIENT SETNAME "a b"',
      '-ERR Client names cannot contain spaces, newlines or special characters.\r\n',
    ],
    ['CLIENT LIST foo', '-ERR syntax error\r\n'],
    ['CLIENT LIST TYPE foo', "-ERR Unknown client type 'foo'\r\n"],
    ['CLIENT LIST TYPE replica', '$0\r\n\r\n'],
    ['CLIENT LIST ID x', '-ERR Invalid client ID\r\n'],
    ['CONFIG GET', "-ERR wrong number of arguments for 'config|get' command\r\n"],
    ['CONFIG GET sav*', '*2\r\n$4\r\nsave\r\n$0\r\n\r\n'],
    ['CONFIG GET nosuch APPENDONL[xy]', '*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n'],
    ['CONFIG SET a b', "-ERR Unknown option or number of arguments for CONFIG SET - 'a'\r\n"],
    ['COMMAND foo', "-ERR unknown subcommand 'foo'. Try COMMAND HELP.\r\n"],
    ['COMMAND LIST FILTERBY PATTERN ge?', '*1\r\n$3\r\nget\r\n'],
    ['COMMAND LIST FILTERBY MODULE x', '*0\r\n'],
    ['COMMAND LIST FILTERBY foo', '-ERR syntax error\r\n'],
    ['COMMAND GETKEYS MGET a b', '*2\r\n$1\r\na\r\n$1\r\nb\r\n'],
    ['COMMAND GETKEYS OBJECT ENCODING a', '*1\r\n$1\r\na\r\n'],
    ['COMMAND GETKEYS PING x', '-ERR The command has no key arguments\r\n'],
    ['COMMAND GETKEYS foo x', '-ERR Invalid command specified\r\n'],
    ['COMMAND GETKEYS GETRANGE x', '-ERR Invalid number of arguments specified for command\r\n'],
    ['COMMAND INFO foo', '*1\r\n$-1\r\n'],
    ['COMMAND GETKEYS GET', "-ERR wrong number of arguments for 'command|getkeys' command\r\n"],
    ['CLIENT HELP x', "-ERR wrong number of arguments for 'client|help' command\r\n"],
    ['COMMAND DOCS foo', '*0\r\n'],
    ['EVAL x 0', '-ERR EVAL is not supported: there is no scripting here.\r\n'],
    [
      'SUBSCRIBE x',
      '-ERR SUBSCRIBE is not supported: there are no channels here but __redis__:invalidate.\r\n',
    ],
  ])('answers %s', async (line, reply) => {
    const { port } = await listenFor(new MapBackend());
    expect(await ask(port, line)).toBe(reply);
  });

  it.each(['SET a b', 'DEL a', 'HSET h f v', 'EXPIRE a 1', 'LPUSH l x', 'FLUSHALL', 'set'])(
    'refuses %s because the data is immutable',
    async (line) => {
      const { port } = await listenFor(new MapBackend());
      expect(await ask(port, line)).toMatch(/^-ERR [A-Z]+ .* immutable .*\r\n$/);
    },
  );

  it('greets with HELLO in the protocol that was asked for', async () => {
    const { port } = await listenFor(new MapBackend());
    const greeting = await ask(
      port,
      'HELLO 3 AUTH default x SETNAME me',
      'CLIENT GETNAME',
      'GET a',
    );
    expect(greeting).toMatch(
      /^%7\r\n\$6\r\nserver\r\n\$5\r\nredis\r\n\$7\r\nversion\r\n\$5\r\n7\.4\.0\r\n\$5\r\nproto\r\n:3\r\n\$2\r\nid\r\n:\d+\r\n\$4\r\nmode\r\n\$10\r\nstandalone\r\n\$4\r\nrole\r\n\$6\r\nmaster\r\n\$7\r\nmodules\r\n\*0\r\n\$2\r\nme\r\n_\r\n$/,
    );
    expect(await ask(port, 'HELLO')).toMatch(/^\*14\r\n/);
  });

  it.each(['AUTH geo any', 'HELLO 2 AUTH geo any', 'HELLO 2 SETNAME x AUTH geo any'])(
    'a user named like a keyspace works in that keyspace: %s',
    async (line) => {
      const { port } = await listenFor(new MapBackend());
      expect(await ask(port, line, 'CLIENT INFO')).toMatch(/^[+*].* db=1 /s);
    },
  );

  it.each([
    ['AUTH 1 any', 'WRONGPASS'],
    ['AUTH nowhere any', 'WRONGPASS'],
    ['HELLO 2 AUTH nowhere any', 'WRONGPASS'],
    ['HELLO 2 AUTH geo any SETNAME "a b"', 'ERR'],
  ])('a login that is refused leaves the keyspace as it was: %s', async (line, prefix) => {
    const { port } = await listenFor(new MapBackend());
    expect(await ask(port, line, 'CLIENT INFO')).toMatch(new RegExp(`^-${prefix} .* db=0 `, 's'));
    expect(await ask(port, 'SELECT geo', line, 'CLIENT INFO')).toMatch(/ db=1 /);
  });

  it('the user `default` leaves the keyspace as it was', async () => {
    const { port } = await listenFor(new MapBackend());
    expect(await ask(port, 'SELECT geo', 'AUTH default x', 'CLIENT INFO')).toMatch(/ db=1 /);
  });

  it('changes nothing when HELLO has an error', async () => {
    const { port } = await listenFor(new MapBackend());
    expect(await ask(port, 'HELLO 3 SETNAME me AUTH foo x', 'CLIENT GETNAME')).toBe(
      '-WRONGPASS invalid username-password pair or user is disabled.\r\n$-1\r\n',
    );
  });

  it('forgets everything at RESET', async () => {
    const { port } = await listenFor(new MapBackend());
    const lines = ['HELLO 3 SETNAME me', 'SELECT geo', 'RESET', 'CLIENT GETNAME', 'CLIENT INFO'];
    const reply = await ask(port, ...lines);
    expect(reply).toMatch(/\+RESET\r\n\$-1\r\n\$\d+\r\n.* name= .* db=0 .* resp=2 /);
  });

  it('lists all connections with the attributes that they have set', async () => {
    const { port } = await listenFor(new MapBackend());
    const first = new RawClient(port);
    first.send('CLIENT SETNAME one\r\nCLIENT SETINFO LIB-NAME lib\r\nSELECT geo\r\nGET a\r\n');
    await first.wait(4);
    const list = await ask(port, 'CLIENT LIST');
    expect(list).toMatch(
      /id=1 addr=127\.0\.0\.1:\d+ .* name=one .* db=1 .* cmd=get .* lib-name=lib /,
    );
    expect(list).toMatch(/id=2 .* cmd=client\|list /);
    expect(await ask(port, 'CLIENT LIST ID 1')).not.toContain('id=2 ');
  });

  it('returns the time in seconds and microseconds', async () => {
    const { port } = await listenFor(new MapBackend());
    const [, seconds, , micros] = (await ask(port, 'TIME')).split('\r\n').slice(1);
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(10);
    expect(Number(micros)).toBeLessThan(1_000_000);
  });

  it('prints help for every container', async () => {
    const { port } = await listenFor(new MapBackend());
    expect(await ask(port, 'CLUSTER HELP')).toContain('+SLOTS\r\n');
    expect(await ask(port, 'CLIENT help')).toContain('+SETNAME\r\n');
  });

  it('answers a command of every case and refuses names that are prefixes', async () => {
    const { port } = await listenFor(new MapBackend([['a', '1']]));
    expect(await ask(port, 'GeT a', 'geta a', 'ge a')).toMatch(/^\$1\r\n1\r\n-ERR unk[^]*-ERR unk/);
  });

  it('cuts long names and arguments of unknown commands', async () => {
    const { port } = await listenFor(new MapBackend());
    const client = new RawClient(port).send(multibulk('x'.repeat(500), 'y'.repeat(500), 'z'));
    const [reply] = await client.wait(1);
    expect(reply).toEqual({
      type: 'error',
      text: `ERR unknown command '${'x'.repeat(128)}', with args beginning with: '${'y'.repeat(128)}' `,
    });
  });
});
