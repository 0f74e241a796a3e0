// Every command of the Redis protocol x every caller, and logins.

import { expect, it } from 'vitest';
import { COMMAND_SPECS } from '../../resp/commands/command-spec.ts';
import type { CommandSpec } from '../../resp/commands/command-spec.ts';
import { Gate } from '../../resp/commands/gate.ts';
import { Session } from '../../resp/commands/session.ts';
import { ReplyWriter } from '../../resp/wire/encoder.ts';
import { MapBackend } from '../resp/map-backend.ts';
import { RawClient, listenFor } from '../resp/raw-client.ts';
import { until } from '../support/process/stele-process.ts';
import { CALLERS, STRANGERS, accessOfRoles, passwordOf, refusalOf } from './roles.ts';
import type { Asked, Caller } from './roles.ts';

/** Written down once more, so that a change of the table is noticed. */
const LISTED: Readonly<Record<'open' | 'user' | 'operate' | 'admin', string>> = {
  open: 'auth hello quit reset',
  user: `info stele|health stele|keyspaces stele|nodes
    cluster|count-failure-reports cluster|info cluster|keyslot cluster|links cluster|myid cluster|myshardid
    cluster|nodes cluster|replicas cluster|shards cluster|slaves cluster|slots
    acl|cat acl|whoami asking client|caching client|getname client|getredir client|id client|info
    client|no-evict client|no-touch client|reply client|setinfo client|setname client|tracking
    client|trackinginfo command command|count command|docs command|getkeys command|info command|list
    config|get discard echo exec lastsave latency|doctor latency|graph latency|histogram latency|history
    latency|latest memory|doctor memory|purge memory|stats module|list multi ping readonly readwrite role
    select slowlog|len subscribe time unsubscribe unwatch wait watch`,
  operate: `client|kill client|list client|unblock config|resetstat config|set latency|reset slowlog|get
    slowlog|reset`,
  admin: 'acl|dryrun acl|getuser acl|list acl|log acl|users',
};

/** Everything else needs the right to read. */
function askedBy({ name }: CommandSpec): Asked {
  const listed = Object.entries(LISTED).find(([, names]) => names.split(/\s+/).includes(name));
  return listed === undefined ? 'read' : (listed[0] as Asked);
}

/** JWTs are for HTTP and gRPC. */
const STRANGE: ReadonlySet<Caller> = new Set<Caller>([...STRANGERS, 'jwt']);
const shared = accessOfRoles();

it.each(CALLERS.filter((caller) => caller !== 'cluster' && caller !== 'jwt'))(
  'a session of %s may run what it is allowed to, and nothing else',
  async (caller) => {
    const gate = new Gate(await shared);
    const isStranger = STRANGE.has(caller);
    const login = passwordOf(caller);
    const subject = isStranger
      ? undefined
      : await gate.access?.login(login.user, login.password, 'here');
    for (const keyspace of ['geo', 'prices']) {
      for (const spec of COMMAND_SPECS) {
        const session = new Session(1, 'here:1', 'here:2', 0);
        session.subject = subject;
        session.user = subject?.name ?? 'default';
        session.moveTo({ name: keyspace, index: 1 });
        const out = new ReplyWriter();
        const isAllowed = gate.admits(spec, session, out) && !gate.forbids(spec, session, out);
        const asked = askedBy(spec);
        const isAbout = asked === 'read' ? keyspace : undefined;
        const refusal = refusalOf(caller, asked, isAbout);
        expect(`${spec.name} ${isAllowed}`).toBe(`${spec.name} ${refusal === undefined}`);
        const prefix = refusal === 'UNAUTHENTICATED' ? '-NOAUTH ' : '-NOPERM ';
        const text = Buffer.concat(out.takeChunks()).toString();
        expect(text.slice(0, 8)).toBe(refusal === undefined ? '' : prefix);
        // Only such a session skips the check from now on.
        const isCleared = session.clearedAt === gate.generation;
        expect(isCleared).toBe(refusalOf(caller, 'read', keyspace) === undefined);
      }
    }
  },
);

it('decides a login before what follows it, and the change of a user at once', async () => {
  const access = await accessOfRoles();
  const backend = new MapBackend([['k', 'v']]);
  const { port } = await listenFor(backend, { access });
  const client = new RawClient(port);
  const { password } = passwordOf('geo');
  const hello = ['HELLO', '2', 'AUTH', 'geo', password].map(
    (word) => `$${word.length}\r\n${word}\r\n`,
  );
  const auth = ['AUTH', 'geo@geo', password].map((word) => `$${word.length}\r\n${word}\r\n`);
  client.send('GET k\r\n');
  client.send(`*5\r\n${hello.join('')}*3\r\n${auth.join('')}CLIENT SETNAME me\r\nGET k\r\n`);
  client.send('SELECT default\r\nSELECT 0\r\nMULTI\r\nGET k\r\nEXEC\r\nACL WHOAMI\r\n');
  await client.wait(11);
  expect(client.text).toContain('-NOAUTH Authentication required.\r\n');
  expect(client.text).toContain('+OK\r\n+OK\r\n$1\r\nv\r\n-ERR There is no keyspace');
  expect(client.text).toContain('-ERR DB index is out of range\r\n+OK\r\n+QUEUED\r\n*1\r\n$1\r\nv');
  const { list } = access;
  access.update({ ...list, users: list.users.map((user) => ({ ...user, disabled: true })) });
  client.text = '';
  client.send('GET k\r\nMULTI\r\nPING\r\nRESET\r\n');
  await client.wait(15);
  expect(client.text).toBe(`${'-NOAUTH Authentication required.\r\n'.repeat(3)}+RESET\r\n`);
});

it.each([
  ['AUTH geo wrong\r\n', '-WRONGPASS '],
  ['AUTH nobody wrong\r\n', '-WRONGPASS '],
  ['AUTH disabled wrong\r\n', '-WRONGPASS '],
  ['AUTH wrong\r\n', '-WRONGPASS '],
  ['AUTH a b c\r\n', '-ERR syntax error'],
  ['HELLO 3\r\n', '-NOAUTH HELLO must be called'],
  ['HELLO 3 AUTH geo wrong\r\n', '-WRONGPASS '],
  ['HELLO 4 AUTH geo wrong\r\n', '-NOPROTO '],
])('%j is answered with %j', async (command, answer) => {
  const access = await accessOfRoles();
  const { port } = await listenFor(new MapBackend(), { access });
  const client = new RawClient(port).send(`${command}PING\r\n`);
  await client.wait(2);
  expect(client.text.slice(0, answer.length)).toBe(answer);
  expect(client.text).toMatch(/-NOAUTH Authentication required[.]\r\n$/);
});

it.each(CALLERS.filter((caller) => caller.includes('token')))(
  'a login by %s is decided as everywhere, with a name and without',
  async (caller) => {
    const { port } = await listenFor(new MapBackend([['k', 'v']]), { access: await shared });
    const { password } = passwordOf(caller);
    const user = caller === 'narrow token' ? 'admin' : 'geo';
    const answers = async (...words: string[]): Promise<string> => {
      const client = new RawClient(port).send(`${words.join(' ')}\r\nACL WHOAMI\r\n`);
      await client.wait(2);
      return client.text;
    };
    const isStranger = STRANGE.has(caller);
    const whoami = `+OK\r\n$${user.length}\r\n${user}\r\n`;
    const refused = /^-WRONGPASS .*\r\n-NOAUTH .*\r\n$/;
    for (const words of [
      ['AUTH', password],
      ['AUTH', 'default', password],
      ['AUTH', user, password],
    ]) {
      const text = await answers(...words);
      if (isStranger) expect(text).toMatch(refused);
      else expect(text).toBe(whoami);
      // Under the name of another user it gets no reason.
      expect(/expired at/.test(text)).toBe(caller === 'expired token' && words[1] !== 'geo');
    }
    // A token of somebody else.
    expect(await answers('AUTH', 'operator', password)).toMatch(refused);
  },
  60_000,
);

it('takes no JWT for a password', async () => {
  const { port } = await listenFor(new MapBackend(), { access: await shared });
  const client = new RawClient(port).send(`AUTH ${passwordOf('jwt').password}\r\nPING\r\n`);
  await client.wait(2);
  expect(client.text).toMatch(/^-WRONGPASS .*\r\n-NOAUTH /);
});

it('ends what an expired token has let in', async () => {
  const access = await accessOfRoles();
  const { port } = await listenFor(new MapBackend([['k', 'v']]), { access });
  const { password } = passwordOf('token');
  const client = new RawClient(port).send(`AUTH ${password}\r\nSELECT geo\r\nGET k\r\n`);
  const other = new RawClient(port).send(`AUTH ${passwordOf('narrow token').password}\r\nPING\r\n`);
  await Promise.all([client.wait(3), other.wait(2)]);
  expect(client.text).toBe('+OK\r\n+OK\r\n$1\r\nv\r\n');
  const { list } = access;
  const expiresMs = Date.now() + 300;
  const tokens = list.tokens.map((token) =>
    token.user === 'geo' ? { ...token, expiresMs } : token,
  );
  access.update({ ...list, tokens });
  await until('the end', async () => {
    client.text = '';
    const { length } = client.replies;
    client.send('GET k\r\n');
    await client.wait(length + 1);
    return client.text.startsWith('-NOAUTH ');
  });
  expect(Date.now()).toBeGreaterThanOrEqual(expiresMs);
  other.text = '';
  other.send('PING\r\n');
  await other.wait(3);
  expect(other.text).toBe('+PONG\r\n');
});
