// The commands that need only the session and a few facts: PING, HELLO, SELECT, RESET ...
//
// CLIENT, COMMAND and CONFIG have files of their own. Error texts are those of Redis 7.
//
// Users stand for keyspaces. Cluster clients cannot SELECT (a Redis Cluster has only database 0),
// but they send their credentials on every connection that they open, to any node. So a user with
// the name of a keyspace selects that keyspace, with AUTH and with HELLO, whatever the password:
//
//   new Cluster(nodes, { redisOptions: { username: 'geo', password: 'any' } })
//   redis-cli -c --user geo --pass any
//
// A name that ends with a keyspace, `anybody@geo`, does the same, and goes on doing it with --auth
// on (login.ts), where a name without one is that of a user. The user `default` changes nothing.

import { DEFAULT_USER } from '../../access/basic.ts';
import { mayRead } from '../../access/visible.ts';
import { shorten } from '../../base/ids.ts';
import { ACL_HANDLERS } from './acl-commands.ts';
import { WRONG_PASSWORD, enterByCertificate, logInLater } from './login.ts';
import type { ServerContext, SessionHandlers } from '../commands/backend.ts';
import type { PendingReply } from '../commands/pending-reply.ts';
import { CLIENT_HANDLERS, isPrintableName, NAME_ERROR } from './client-commands.ts';
import { COMMAND_HANDLERS } from '../info/command-commands.ts';
import type { CommandSpec, SessionCommand } from '../commands/command-spec.ts';
import { CONFIG_HANDLERS } from '../info/config-command.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { LATENCY_HANDLERS } from '../info/latency-commands.ts';
import { SERVER_HANDLERS } from '../info/server-commands.ts';
import { SLOW_LOG_HANDLERS } from '../info/slow-log-commands.ts';
import type { KeyspaceRef, Session } from '../commands/session.ts';
import { TRACKING_HANDLERS } from './tracking.ts';
import { TRANSACTION_HANDLERS } from './transaction-commands.ts';

const HELLO_WITHOUT_AUTH =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time';
const NO_PASSWORD_SET =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?';

const HANDLERS: SessionHandlers = {
  ...ACL_HANDLERS,
  ...CLIENT_HANDLERS,
  ...COMMAND_HANDLERS,
  ...CONFIG_HANDLERS,
  ...LATENCY_HANDLERS,
  ...SERVER_HANDLERS,
  ...SLOW_LOG_HANDLERS,
  ...TRACKING_HANDLERS,
  ...TRANSACTION_HANDLERS,
  ping,
  echo: (command, out) => out.bulk(command.buffer, command.starts[1], command.ends[1]),
  hello,
  auth,
  select,
  quit: (_, out, session) => {
    session.closing = true;
    out.ok();
  },
  reset: (_, out, session, context) => {
    session.reset(context.backend.resolveKeyspace('0'));
    const { access } = context.gate;
    if (access !== undefined) enterByCertificate(session, context, access);
    out.protocol = session.protocol;
    out.simple('RESET');
  },
  readonly: (_, out, session) => {
    session.readonlyMode = true;
    out.ok();
  },
  readwrite: (_, out, session) => {
    session.readonlyMode = false;
    out.ok();
  },
  asking: (_, out) => out.ok(),
};

/**
 * Answers one command whose handler is `session`: writes exactly one reply, or returns that of a
 * login.
 */
export function executeSessionCommand(
  spec: CommandSpec,
  command: CommandArguments,
  session: Session,
  out: ReplyWriter,
  context: ServerContext,
): PendingReply | undefined {
  const { access } = context.gate;
  if (access !== undefined && spec.name === 'auth')
    return authLater(command, out, session, context);
  if (access !== undefined && spec.name === 'hello') {
    return helloLater(command, out, session, context);
  }
  HANDLERS[spec.name as SessionCommand](command, out, session, context);
  return undefined;
}

/** AUTH with --auth on. */
function authLater(
  command: CommandArguments,
  out: ReplyWriter,
  session: Session,
  context: ServerContext,
): PendingReply | undefined {
  const { access } = context.gate;
  if (command.argc > 3 || access === undefined) {
    out.error('ERR syntax error');
    return undefined;
  }
  const user = command.argc === 2 ? DEFAULT_USER : argumentText(command, 1);
  const password = argumentText(command, command.argc - 1);
  return logInLater({ user, password }, session, context, access, {
    command: 'auth',
    done: (later) => later.ok(),
  });
}

/** HELLO with --auth on. */
function helloLater(
  command: CommandArguments,
  out: ReplyWriter,
  session: Session,
  context: ServerContext,
): PendingReply | undefined {
  const { access } = context.gate;
  const options = parseHello(command, session);
  if (typeof options === 'string') {
    out.error(options);
    return undefined;
  }
  const { password, user } = options;
  if (access !== undefined && user !== undefined) {
    const done = (later: ReplyWriter): void => greet(options, later, session, context);
    return logInLater({ user, password }, session, context, access, { command: 'hello', done });
  }
  if (session.subject?.isLive === true) greet(options, out, session, context);
  else {
    context.gate.refused(session, 'hello', 'UNAUTHENTICATED');
    out.error(HELLO_WITHOUT_AUTH);
  }
  return undefined;
}

function ping(command: CommandArguments, out: ReplyWriter): void {
  if (command.argc === 1) out.simple('PONG');
  else if (command.argc === 2) out.bulk(command.buffer, command.starts[1], command.ends[1]);
  else out.error("ERR wrong number of arguments for 'ping' command");
}

// `AUTH password` is for the user `default`, who has no password; the error says so.
function auth(
  command: CommandArguments,
  out: ReplyWriter,
  session: Session,
  context: ServerContext,
): void {
  if (command.argc > 3) return out.error('ERR syntax error');
  if (command.argc === 2) return out.error(NO_PASSWORD_SET);
  const keyspace = keyspaceOfUser(argumentText(command, 1), session, context);
  if (keyspace === undefined) return out.error(WRONG_PASSWORD);
  session.moveTo(keyspace);
  session.user = argumentText(command, 1);
  out.ok();
}

/** The keyspace of a user; undefined for a user that is neither `default` nor a keyspace. */
function keyspaceOfUser(
  user: string,
  session: Session,
  context: ServerContext,
): KeyspaceRef | undefined {
  if (user === DEFAULT_USER) return session.keyspace;
  const name = user.slice(user.lastIndexOf('@') + 1);
  const keyspace = context.backend.resolveKeyspace(name);
  // Only a name is a user; an index is not.
  return keyspace?.name === name ? keyspace : undefined;
}

function select(
  command: CommandArguments,
  out: ReplyWriter,
  session: Session,
  context: ServerContext,
): void {
  const wanted = argumentText(command, 1);
  const keyspace = context.backend.resolveKeyspace(wanted);
  if (keyspace !== undefined && mayRead(session.subject, keyspace.name)) {
    session.moveTo(keyspace);
    out.ok();
    return;
  }
  if (keyspace !== undefined) {
    context.gate.refused(session, 'select', 'PERMISSION_DENIED', keyspace.name);
  }
  if (/^-?[0-9]+$/.test(wanted)) {
    out.error('ERR DB index is out of range');
  } else {
    out.error(
      `ERR There is no keyspace '${shorten(wanted)}'; \`stele keyspaces\` lists those there are.`,
    );
  }
}

interface HelloOptions {
  readonly protocol: 2 | 3;
  readonly name: string | undefined;
  /** Undefined: without AUTH. */
  readonly user: string | undefined;
  readonly password: string;
}

function hello(
  command: CommandArguments,
  out: ReplyWriter,
  session: Session,
  context: ServerContext,
): void {
  const options = parseHello(command, session);
  if (typeof options === 'string') {
    out.error(options);
    return;
  }
  const { user } = options;
  if (user !== undefined) {
    const keyspace = keyspaceOfUser(user, session, context);
    if (keyspace === undefined) return out.error(WRONG_PASSWORD);
    session.moveTo(keyspace);
    session.user = user;
  }
  greet(options, out, session, context);
}

/** Switches the protocol and writes the reply to HELLO. */
function greet(
  options: HelloOptions,
  out: ReplyWriter,
  session: Session,
  context: ServerContext,
): void {
  session.protocol = options.protocol;
  if (options.name !== undefined) session.name = options.name;
  out.protocol = options.protocol;
  const facts = context.backend.facts();
  out.map(7);
  for (const [name, value] of [
    ['server', 'redis'],
    ['version', facts.redisVersion],
    ['proto', options.protocol],
    ['id', session.id],
    ['mode', facts.mode],
    ['role', facts.role],
  ] as const) {
    out.bulkText(name);
    if (typeof value === 'number') out.integer(value);
    else out.bulkText(value);
  }
  out.bulkText('modules');
  out.array(0);
}

/**
 * Parses `HELLO [protover [AUTH user password] [SETNAME name]]`; returns the error text if it is
 * invalid.
 */
function parseHello(command: CommandArguments, session: Session): HelloOptions | string {
  const versionText = command.argc > 1 ? argumentText(command, 1) : String(session.protocol);
  if (!/^-?[0-9]{1,18}$/.test(versionText)) {
    return 'ERR Protocol version is not an integer or out of range';
  }
  const protocol = Number(versionText);
  if (protocol !== 2 && protocol !== 3) return 'NOPROTO unsupported protocol version';
  let name: string | undefined;
  let user: string | undefined;
  let password = '';
  for (let at = 2; at < command.argc; at++) {
    const option = argumentText(command, at);
    const following = command.argc - 1 - at;
    if (option.toLowerCase() === 'auth' && following >= 2) {
      user = argumentText(command, at + 1);
      password = argumentText(command, at + 2);
      at += 2;
    } else if (option.toLowerCase() === 'setname' && following >= 1) {
      name = argumentText(command, ++at);
      if (!isPrintableName(name)) return NAME_ERROR;
    } else {
      return `ERR Syntax error in HELLO option '${shorten(option)}'`;
    }
  }
  return { protocol, name, user, password };
}
