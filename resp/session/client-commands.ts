// CLIENT: what connections report and ask about themselves.

import { shorten } from '../../base/ids.ts';
import type { ServerContext, SessionHandlers } from '../commands/backend.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { integerArgument } from '../commands/integer-argument.ts';
import type { Session } from '../commands/session.ts';

const SYNTAX_ERROR = 'ERR syntax error';
const CLIENT_TYPES_ABSENT = new Set(['master', 'slave', 'replica', 'pubsub']);

export const NAME_ERROR = 'ERR Client names cannot contain spaces, newlines or special characters.';

/** Whether a name has only visible ASCII, so that it can be shown in CLIENT LIST. */
export function isPrintableName(name: string): boolean {
  return /^[!-~]*$/.test(name);
}

export const CLIENT_HANDLERS = {
  'client|id': (_, out, session) => out.integer(session.id),
  'client|info': (_, out, session, context) =>
    out.verbatim(`${describeSession(session, context.nowMs())}\n`),
  'client|list': (command, out, _, context) => list(command, out, context),
  'client|getname': (_, out, { name }) => (name === '' ? out.nil() : out.bulkText(name)),
  'client|setname': (command, out, session) => setName(argumentText(command, 2), session, out),
  'client|setinfo': (command, out, session) => setInfo(command, session, out),
  'client|reply': (command, out, session) =>
    setReplyMode(argumentText(command, 2).toLowerCase(), session, out),
  // There is no eviction, so both are granted.
  'client|no-evict': onOrOff,
  'client|no-touch': onOrOff,
  'client|kill': kill,
  // No client is ever blocked.
  'client|unblock': (command, out) => {
    integerArgument(command, 2);
    out.integer(0);
  },
} satisfies Partial<SessionHandlers>;

function onOrOff(command: CommandArguments, out: ReplyWriter): void {
  if (/^(on|off)$/i.test(argumentText(command, 2))) out.ok();
  else out.error(SYNTAX_ERROR);
}

/**
 * `CLIENT KILL addr`, or `CLIENT KILL [ID id] [ADDR addr] [LADDR addr] [USER user] [TYPE type]
 * [SKIPME yes | no]`.
 */
function kill(
  command: CommandArguments,
  out: ReplyWriter,
  session: Session,
  context: ServerContext,
): void {
  const isOldForm = command.argc === 3;
  const wanted = isOldForm ? hasAddress(argumentText(command, 2)) : parseKillFilter(command);
  if (typeof wanted === 'string') return out.error(wanted);
  const killed = [...context.sessions()].filter(
    (each) => !each.closing && wanted.matches(each) && (each !== session || !wanted.skipMe),
  );
  for (const each of killed) each.closing = true;
  context.closeMarked(session);
  if (!isOldForm) out.integer(killed.length);
  else if (killed.length > 0) out.ok();
  else out.error('ERR No such client');
}

interface KillFilter {
  readonly skipMe: boolean;
  matches(session: Session): boolean;
}

function hasAddress(address: string): KillFilter {
  return { skipMe: false, matches: (session) => session.remoteAddress === address };
}

function parseKillFilter(command: CommandArguments): KillFilter | string {
  const filters: ((session: Session) => boolean)[] = [];
  let skipMe = true;
  for (let at = 2; at < command.argc; at += 2) {
    if (at + 1 >= command.argc) return SYNTAX_ERROR;
    const option = argumentText(command, at).toLowerCase();
    const value = argumentText(command, at + 1);
    if (option === 'id') {
      const id = /^[1-9]\d*$/.test(value) ? Number(value) : 0;
      if (id === 0) return 'ERR client-id should be greater than 0';
      filters.push((session) => session.id === id);
    } else if (option === 'addr') filters.push(({ remoteAddress }) => remoteAddress === value);
    else if (option === 'laddr') filters.push(({ localAddress }) => localAddress === value);
    else if (option === 'user') filters.push(({ user }) => user === value);
    else if (option === 'type') {
      const type = value.toLowerCase();
      if (type !== 'normal' && !CLIENT_TYPES_ABSENT.has(type)) {
        return `ERR Unknown client type '${shorten(value)}'`;
      }
      filters.push(() => type === 'normal');
    } else if (option === 'skipme' && /^(yes|no)$/i.test(value)) {
      skipMe = value.toLowerCase() === 'yes';
    } else return SYNTAX_ERROR;
  }
  return { skipMe, matches: (session) => filters.every((filter) => filter(session)) };
}

function setName(name: string, session: Session, out: ReplyWriter): void {
  if (!isPrintableName(name)) return out.error(NAME_ERROR);
  session.name = name;
  out.ok();
}

function setInfo(command: CommandArguments, session: Session, out: ReplyWriter): void {
  const attribute = argumentText(command, 2).toLowerCase();
  const value = argumentText(command, 3);
  if (attribute !== 'lib-name' && attribute !== 'lib-ver') {
    return out.error(`ERR Unrecognized option '${shorten(argumentText(command, 2))}'`);
  }
  if (!isPrintableName(value)) {
    return out.error(`ERR ${attribute} cannot contain spaces, newlines or special characters.`);
  }
  if (attribute === 'lib-name') session.libraryName = value;
  else session.libraryVersion = value;
  out.ok();
}

// The connection mutes the replies to OFF and SKIP, by the mode that is set here.
function setReplyMode(mode: string, session: Session, out: ReplyWriter): void {
  if (mode === 'on') session.replyMode = 'on';
  else if (mode === 'off') session.replyMode = 'off';
  else if (mode !== 'skip') return out.error(SYNTAX_ERROR);
  else if (session.replyMode !== 'off') session.replyMode = 'skip-next';
  out.ok();
}

function list(command: CommandArguments, out: ReplyWriter, context: ServerContext): void {
  const wanted = parseListFilter(command);
  if (typeof wanted === 'string') return out.error(wanted);
  const nowMs = context.nowMs();
  let text = '';
  for (const session of context.sessions()) {
    if (wanted(session)) text += `${describeSession(session, nowMs)}\n`;
  }
  out.verbatim(text);
}

function parseListFilter(command: CommandArguments): ((session: Session) => boolean) | string {
  if (command.argc === 2) return () => true;
  const option = argumentText(command, 2).toLowerCase();
  if (option === 'type' && command.argc === 4) {
    const type = argumentText(command, 3);
    if (type.toLowerCase() === 'normal') return () => true;
    if (CLIENT_TYPES_ABSENT.has(type.toLowerCase())) return () => false;
    return `ERR Unknown client type '${shorten(type)}'`;
  }
  if (option !== 'id' || command.argc < 4) return SYNTAX_ERROR;
  const ids = new Set<number>();
  for (let index = 3; index < command.argc; index++) {
    try {
      ids.add(integerArgument(command, index));
    } catch {
      return 'ERR Invalid client ID';
    }
  }
  return (session) => ids.has(session.id);
}

/** One line of CLIENT LIST. Fields that Stele lacks have Redis's values for an idle client. */
function describeSession(session: Session, nowMs: number): string {
  const { tracking, transaction } = session;
  const flags = [
    session.readonlyMode ? 'r' : '',
    session.subscribed ? 'P' : '',
    tracking === undefined ? '' : 't',
    transaction === undefined ? '' : 'x',
  ].join('');
  const fields = {
    id: session.id,
    addr: session.remoteAddress,
    laddr: session.localAddress,
    fd: -1,
    name: session.name,
    age: Math.floor((nowMs - session.createdMs) / 1000),
    idle: Math.floor((nowMs - session.lastCommandMs) / 1000),
    flags: flags === '' ? 'N' : flags,
    db: session.keyspace.index,
    sub: session.subscribed ? 1 : 0,
    psub: 0,
    ssub: 0,
    multi: transaction?.commands.length ?? -1,
    watch: session.watched?.size ?? 0,
    qbuf: 0,
    'qbuf-free': 0,
    'argv-mem': 0,
    'multi-mem': transaction?.byteCount ?? 0,
    rbs: 0,
    rbp: 0,
    obl: 0,
    oll: 0,
    omem: 0,
    'tot-mem': transaction?.byteCount ?? 0,
    events: 'r',
    cmd: session.lastCommand,
    user: session.user,
    redir: tracking?.redirect ?? -1,
    resp: session.protocol,
    'lib-name': session.libraryName,
    'lib-ver': session.libraryVersion,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}
