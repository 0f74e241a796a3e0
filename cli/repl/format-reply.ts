// Formats replies as redis-cli does.
//
//   formatted (a terminal)             raw (a pipe)
//   "va\xfflue"                        the bytes as they are
//   (integer) 1                        1
//   (nil)                              an empty line
//   (error) ERR no such thing          ERR no such thing
//   1) "a"                             a
//   2) 1) "b"                          b
//      2) (nil)
//
// Sets have `~` after the number, maps `#` after the number and ` => ` between key and value.

import type { Reply } from '../../client/resp-client.ts';
import { safeText } from './value-views.ts';

const NEWLINE = Buffer.from('\n');

/** Commands whose replies are texts of several lines, printed unquoted even on a terminal. */
const TEXT_COMMANDS: ReadonlySet<string> = new Set([
  'INFO',
  'LOLWUT',
  'CLIENT LIST',
  'CLIENT INFO',
  'CLUSTER INFO',
  'CLUSTER NODES',
  'LATENCY DOCTOR',
  'LATENCY GRAPH',
  'MEMORY DOCTOR',
  'MEMORY MALLOC-STATS',
]);

/** The reply to the command `args` for a terminal: lines, without the last newline. */
export function formatReplyTo(args: readonly (string | Buffer)[], reply: Reply): string {
  const text = isTextReply(args, reply)
    ? safeText(formatReplyRaw(reply).toString())
    : formatReply(reply);
  return text.replace(/\r?\n$/, '');
}

/** The reply to the command `args` for a pipe: bytes, with the last newline. */
export function formatReplyRawTo(args: readonly (string | Buffer)[], reply: Reply): Buffer {
  const bytes = formatReplyRaw(reply);
  return isTextReply(args, reply) ? bytes : Buffer.concat([bytes, NEWLINE]);
}

function isTextReply(args: readonly (string | Buffer)[], reply: Reply): boolean {
  if (reply.type !== 'bulk' && reply.type !== 'verbatim') return false;
  const [first = '', second = ''] = args.map((arg) => arg.toString().toUpperCase());
  return TEXT_COMMANDS.has(first) || TEXT_COMMANDS.has(`${first} ${second}`);
}

/** A reply by itself: lines, without the last newline. */
export function formatReply(reply: Reply, indent = ''): string {
  switch (reply.type) {
    case 'simple':
      return safeText(reply.text);
    case 'error':
      return `(error) ${safeText(reply.text)}`;
    case 'integer':
    case 'bigNumber':
      return `(integer) ${reply.value}`;
    case 'double':
      return `(double) ${doubleText(reply.value)}`;
    case 'boolean':
      return reply.value ? '(true)' : '(false)';
    case 'bulk':
      return quote(reply.bytes);
    case 'verbatim':
      return safeText(reply.bytes.toString('utf8'));
    case 'nil':
      return '(nil)';
    case 'array':
      return formatItems(reply.items, ')', '(empty array)', indent);
    case 'set':
      return formatItems(reply.items, '~', '(empty set)', indent);
    case 'push':
      return formatItems(reply.items, ')', '(empty push)', indent);
    case 'map':
      return formatEntries(reply.entries, indent);
  }
}

function formatItems(
  items: readonly Reply[],
  mark: string,
  emptyText: string,
  indent: string,
): string {
  if (items.length === 0) return emptyText;
  const width = String(items.length).length;
  const inner = indent + ' '.repeat(width + 2);
  return items
    .map((item, index) => {
      const start = index === 0 ? '' : indent;
      return `${start}${String(index + 1).padStart(width)}${mark} ${formatReply(item, inner)}`;
    })
    .join('\n');
}

function formatEntries(entries: readonly (readonly [Reply, Reply])[], indent: string): string {
  if (entries.length === 0) return '(empty hash)';
  const width = String(entries.length).length;
  const inner = indent + ' '.repeat(width + 2);
  return entries
    .map(([key, value], index) => {
      const start = index === 0 ? '' : indent;
      const number = String(index + 1).padStart(width);
      // A nested value starts on a new line, under its key.
      const gap = isNested(value) ? `\n${inner}` : ' ';
      return `${start}${number}# ${formatReply(key, inner)} =>${gap}${formatReply(value, inner)}`;
    })
    .join('\n');
}

function isNested(reply: Reply): boolean {
  if (reply.type === 'map') return reply.entries.length > 0;
  return 'items' in reply && reply.items.length > 0;
}

/** For a pipe: the bytes of the value, one element per line, without the last newline. */
export function formatReplyRaw(reply: Reply): Buffer {
  switch (reply.type) {
    case 'simple':
    case 'error':
      return Buffer.from(reply.text, 'utf8');
    case 'integer':
    case 'bigNumber':
      return Buffer.from(String(reply.value));
    case 'double':
      return Buffer.from(doubleText(reply.value));
    case 'boolean':
      return Buffer.from(reply.value ? '(true)' : '(false)');
    case 'bulk':
    case 'verbatim':
      return reply.bytes;
    case 'nil':
      return Buffer.alloc(0);
    case 'array':
    case 'set':
    case 'push':
      return joinLines(reply.items.map(formatReplyRaw));
    case 'map':
      return joinLines(reply.entries.map(rawEntry));
  }
}

function rawEntry([key, value]: readonly [Reply, Reply]): Buffer {
  return Buffer.concat([formatReplyRaw(key), Buffer.from(' '), formatReplyRaw(value)]);
}

function joinLines(lines: readonly Buffer[]): Buffer {
  return Buffer.concat(lines.flatMap((line, index) => (index === 0 ? [line] : [NEWLINE, line])));
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? 'inf' : '-inf';
}

const NAMED = new Map<number, string>([
  [0x5c, '\\\\'],
  [0x22, '\\"'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x07, '\\a'],
  [0x08, '\\b'],
]);

/** `"..."` with everything but printable ASCII escaped; typed as input, it gives the same bytes. */
export function quote(bytes: Uint8Array): string {
  let text = '"';
  for (const byte of bytes) {
    const named = NAMED.get(byte);
    if (named !== undefined) text += named;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${text}"`;
}
