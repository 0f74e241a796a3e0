// Every command of the Redis protocol x every caller, and logins.

import { expect, it } from 'vitest';
import { COMMAND_SPECS } from '../../resp/commands/command-spec.ts';
import type { CommandSpec } from '../../resp/commands/command-spec.ts';
import { Gate } from '../../resp/commands/gate.ts';
import { Session } from '../../resp/commands/session.ts';
import { ReplyWriter } from '../../resp/wire/encoder.ts';
import { MapBackend } from '../resp/map-backend.ts';
import { RawClient, listenFor } from '../resp/raw-client.ts';
import { CALLERS, STRANGERS, accessOfRoles, passwordOf, refusalOf } from './roles.ts';
import type { Asked } from './roles.ts';

const LISTED: Readonly<Record<'open' | 'user' | 'operate' | 'admin', string>> = {
  open: 'auth hello quit reset',
  user: 'info stele|health stele|keyspaces stele|nodes',
  operate: 'client|kill client|list config|resetstat',
  admin: 'acl|dryrun acl|getuser acl|list acl|log acl|users',
};

/** Everything else: what needs a key or a keyspace is a read, and the rest is for any user. */
function askedBy({ handler, name }: CommandSpec): Asked {
  const listed = Object.entries(LISTED).find(([, names]) => names.split(' ').includes(name));
  if (listed !== undefined) return listed[0] as Asked;
  return handler === 'session' || handler === 'cluster' ? 'user' : 'read';
}

it.each(CALLERS.filter((caller) => caller !== 'cluster'))(
  'a session of %s may run what it is allowed to, and nothing else',
  async (caller) => {
    const gate = new Gate(await accessOfRoles());
    const isStranger = (STRANGERS as readonly string[]).includes(caller);
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
