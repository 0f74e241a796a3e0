// CLIENT: what connections say and ask about themselves.

import { shorten } from '../base/ids.ts';
import type { ServerContext } from './backend.ts';
import { argumentText } from './decoder.ts';
import type { CommandArguments } from './decoder.ts';
import type { ReplyWriter } from './encoder.ts';
import { integerArgument } from './integer-argument.ts';
import type { Session } from './session.ts';

const SYNTAX_ERROR = 'ERR syntax error';
const CLIENT_TYPES_ABSENT = new Set(['master', 'slave', 'replica', 'pubsub']);

export const NAME_ERROR = 'ERR Client names cannot contain spaces, newlines or special characters.';

/** Whether a name has only visible ASCII, so that it can stand in CLIENT LIST. */
export function isPrintableName(name: string): boolean {
  return /^[!-~]*$/.test(name);
}

export function executeClientCommand(
  name: string,
  command: CommandArguments,
  session: Session,
  out: ReplyWriter,
  context: ServerContext,
): void {
  switch (name) {
    case 'client|id':
      return out.integer(session.id);
    case 'client|info':
      return out.verbatim(`${describeSession(session, context.nowMs())}\n`);
    case 'client|list':
      return list(command, out, context);
    case 'client|getname':
      return session.name === '' ? out.nil() : out.bulkText(session.name);
    case 'client|setname':
      return setName(argumentText(command, 2), session, out);
    case 'client|setinfo':
      return setInfo(command, session, out);
    case 'client|reply':
      return setReplyMode(argumentText(command, 2).toLowerCase(), session, out);
    default:
      // NO-EVICT and NO-TOUCH: there is no eviction, so both are granted.
      return onOrOff(argumentText(command, 2)) ? out.ok() : out.error(SYNTAX_ERROR);
  }
}

function onOrOff(text: string): boolean {
  return /^(on|off)$/i.test(text);
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

// What OFF and SKIP answer is muted by the connection, by the mode that is set here.
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

/** One line of CLIENT LIST. What Stele does not have is shown at Redis's value for an idle client. */
function describeSession(session: Session, nowMs: number): string {
  const fields: readonly (readonly [string, string | number])[] = [
    ['id', session.id],
    ['addr', session.remoteAddress],
    ['laddr', session.localAddress],
    ['fd', -1],
    ['name', session.name],
    ['age', Math.floor((nowMs - session.createdMs) / 1000)],
    ['idle', Math.floor((nowMs - session.lastCommandMs) / 1000)],
    ['flags', session.readonlyMode ? 'r' : 'N'],
    ['db', session.keyspace.index],
    ['sub', 0],
    ['psub', 0],
    ['ssub', 0],
    ['multi', -1],
    ['events', 'r'],
    ['cmd', session.lastCommand],
    ['user', 'default'],
    ['redir', -1],
    ['resp', session.protocol],
    ['lib-name', session.libraryName],
    ['lib-ver', session.libraryVersion],
    ['keyspace', session.keyspace.name],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(' ');
}
