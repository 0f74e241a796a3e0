// CLIENT TRACKING: clients cache values, and are notified when to forget them.
//
// A value never changes while its version is current. So there is only one event: another version
// of the selected keyspace goes live. Then every tracking connection is asked to invalidate
// everything, whatever it has read:
//
//   RESP3                          >2 invalidate _
//   RESP2, by REDIRECT to a connection that subscribes to __redis__:invalidate
//                                  *3 message __redis__:invalidate $-1
//
// The message follows the replies of all commands that came before the switch, so a client that
// then empties its cache keeps nothing of the old version. BCAST, PREFIX, OPTIN, OPTOUT and NOLOOP
// select the keys that a client is notified of; here they make no difference.

import type { ServerContext, SessionHandler, SessionHandlers } from '../commands/backend.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { integerArgument } from '../commands/integer-argument.ts';
import type { Session, Tracking } from '../commands/session.ts';

const INVALIDATE_CHANNEL = '__redis__:invalidate';
const SYNTAX_ERROR = 'ERR syntax error';
const PREFIXES_MAX = 64;
const PREFIX_BYTES_MAX = 16 * 1024;

/** Writes the message to forget all values, for the reader `target`. */
export function writeInvalidation(target: Session, out: ReplyWriter): void {
  out.protocol = target.protocol;
  if (target.protocol === 3) {
    out.push(2);
    out.bulkText('invalidate');
  } else {
    out.array(3);
    out.bulkText('message');
    out.bulkText(INVALIDATE_CHANNEL);
  }
  out.nil();
}

/**
 * The connection to notify of a version switch on behalf of `session`; undefined if nothing has
 * changed for it, or no connection listens. Notes that it has been notified.
 */
export function invalidationTarget(session: Session, context: ServerContext): Session | undefined {
  const { tracking } = session;
  if (tracking === undefined) return undefined;
  const dataset = context.backend.datasetOf(session.keyspace.name);
  if (dataset === tracking.dataset) return undefined;
  tracking.dataset = dataset;
  const target = tracking.redirect === 0 ? session : sessionOf(tracking.redirect, context);
  return target !== undefined && (target.protocol === 3 || target.subscribed) ? target : undefined;
}

function sessionOf(id: number, context: ServerContext): Session | undefined {
  for (const session of context.sessions()) if (session.id === id) return session;
  return undefined;
}

export const TRACKING_HANDLERS = {
  'client|tracking': (command, out, session, context) => {
    const mode = argumentText(command, 2).toLowerCase();
    const parsed = parseOptions(command, session, context);
    if (typeof parsed === 'string') return out.error(parsed);
    if (mode === 'off') session.tracking = undefined;
    else if (mode !== 'on') return out.error(SYNTAX_ERROR);
    else if (session.protocol !== 3 && parsed.redirect === 0) {
      return out.error(
        'ERR Tracking needs RESP3 (HELLO 3), or REDIRECT to a connection that gets the messages',
      );
    } else session.tracking = parsed;
    out.ok();
  },
  'client|caching': (command, out, session) => {
    const mode = argumentText(command, 2).toLowerCase();
    const { tracking } = session;
    const has = (option: string): boolean => tracking?.options.includes(option) === true;
    if (!has('optin') && !has('optout')) {
      return out.error(
        'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
      );
    }
    if (mode !== 'yes' && mode !== 'no') return out.error(SYNTAX_ERROR);
    const needed = mode === 'yes' ? 'optin' : 'optout';
    if (!has(needed)) {
      return out.error(
        `ERR CLIENT CACHING ${mode.toUpperCase()} is only valid when tracking is enabled in ${needed.toUpperCase()} mode.`,
      );
    }
    if (tracking !== undefined) tracking.caching = mode;
    out.ok();
  },
  'client|getredir': (_, out, { tracking }) => out.integer(tracking?.redirect ?? -1),
  'client|trackinginfo': (_, out, { tracking }, context) => {
    const flags =
      tracking === undefined
        ? ['off']
        : [
            'on',
            ...tracking.options,
            ...(tracking.caching === undefined ? [] : [`caching-${tracking.caching}`]),
            ...(tracking.redirect !== 0 && sessionOf(tracking.redirect, context) === undefined
              ? ['broken_redirect']
              : []),
          ];
    out.map(3);
    out.bulkText('flags');
    out.set(flags.length);
    for (const flag of flags) out.bulkText(flag);
    out.bulkText('redirect');
    out.integer(tracking?.redirect ?? -1);
    out.bulkText('prefixes');
    out.array(tracking?.prefixes.length ?? 0);
    for (const prefix of tracking?.prefixes ?? []) out.bulkText(prefix);
  },
  subscribe: subscriptions('subscribe', true),
  unsubscribe: subscriptions('unsubscribe', false),
} satisfies Partial<SessionHandlers>;

/**
 * Parses `ON | OFF [REDIRECT id] [PREFIX prefix]... [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`; returns an
 * error text if it is invalid.
 */
function parseOptions(
  command: CommandArguments,
  session: Session,
  context: ServerContext,
): Tracking | string {
  const options: string[] = [];
  const prefixes: string[] = [];
  let redirect = 0;
  for (let at = 3; at < command.argc; at++) {
    const option = argumentText(command, at).toLowerCase();
    if (option === 'redirect' && at + 1 < command.argc) {
      redirect = integerArgument(command, ++at);
      if (redirect !== 0 && sessionOf(redirect, context) === undefined) {
        return 'ERR The client ID you want redirect to does not exist';
      }
    } else if (option === 'prefix' && at + 1 < command.argc) {
      prefixes.push(argumentText(command, ++at));
    } else if (['bcast', 'optin', 'optout', 'noloop'].includes(option)) options.push(option);
    else return SYNTAX_ERROR;
  }
  if (prefixes.length > PREFIXES_MAX || prefixes.join('').length > PREFIX_BYTES_MAX) {
    return `ERR At most ${PREFIXES_MAX} prefixes can be given`;
  }
  if (prefixes.length > 0 && !options.includes('bcast')) {
    return 'ERR PREFIX option requires BCAST mode to be enabled';
  }
  if (options.includes('optin') && options.includes('optout')) {
    return "ERR You can't specify both OPTIN mode and OPTOUT mode";
  }
  if (options.includes('bcast') && (options.includes('optin') || options.includes('optout'))) {
    return 'ERR OPTIN and OPTOUT are not compatible with BCAST';
  }
  const dataset = context.backend.datasetOf(session.keyspace.name);
  return { options, prefixes, redirect, caching: undefined, dataset };
}

/**
 * SUBSCRIBE and UNSUBSCRIBE of the only channel, on which RESP2 clients are notified of version
 * switches.
 */
function subscriptions(kind: string, on: boolean): SessionHandler {
  return (command, out, session) => {
    const channels: string[] = [];
    for (let at = 1; at < command.argc; at++) channels.push(argumentText(command, at));
    if (on && channels.some((channel) => channel !== INVALIDATE_CHANNEL)) {
      return out.error(
        `ERR ${kind.toUpperCase()} is not supported: there are no channels here but ${INVALIDATE_CHANNEL}.`,
      );
    }
    for (const channel of channels.length === 0 ? [undefined] : channels) {
      if (channel === INVALIDATE_CHANNEL || channel === undefined) session.subscribed = on;
      out.push(3);
      out.bulkText(kind);
      if (channel === undefined) out.nil();
      else out.bulkText(channel);
      out.integer(session.subscribed ? 1 : 0);
    }
  };
}
