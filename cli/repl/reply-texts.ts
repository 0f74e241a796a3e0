// Reads names and descriptions from replies, in RESP2 and RESP3: where RESP3 sends a map, RESP2
// sends an array of alternating keys and values.

import { SteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { Reply } from '../../client/resp-client.ts';

/** The text of a string reply; undefined for anything else. */
export function textOf(reply: Reply | undefined): string | undefined {
  if (reply?.type === 'bulk' || reply?.type === 'verbatim') return reply.bytes.toString('utf8');
  return reply?.type === 'simple' ? reply.text : undefined;
}

/** The elements of an array or a set; none for anything else. */
export function itemsOf(reply: Reply | undefined): readonly Reply[] {
  return reply?.type === 'array' || reply?.type === 'set' ? reply.items : [];
}

/** A map, or an array of alternating keys and values, by the text of the keys. */
export function fieldsOf(reply: Reply | undefined): ReadonlyMap<string, Reply> {
  const fields = new Map<string, Reply>();
  if (reply?.type === 'map') {
    for (const [key, value] of reply.entries) fields.set(textOf(key) ?? '', value);
    return fields;
  }
  const items = itemsOf(reply);
  for (let at = 0; at + 1 < items.length; at += 2) {
    fields.set(textOf(items[at]) ?? '', items[at + 1] as Reply);
  }
  return fields;
}

/** The names in the reply to STELE KEYSPACES: a list of names, or of maps with a `name`. */
export function keyspaceNamesIn(reply: Reply): string[] {
  const entries = reply.type === 'map' ? reply.entries.map(([key]) => key) : itemsOf(reply);
  return entries
    .map((entry) => textOf(entry) ?? textOf(fieldsOf(entry).get('name')))
    .filter((name) => name !== undefined);
}

/** What the first word of an error reply means; every other word: the command itself has failed. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['LOADING', 'UNINITIALIZED'],
  ['CLUSTERDOWN', 'UNAVAILABLE'],
  ['NOAUTH', 'UNAUTHENTICATED'],
  ['WRONGPASS', 'UNAUTHENTICATED'],
  ['NOPERM', 'PERMISSION_DENIED'],
]);

/** The error reply `text` to a command, as an error; CONFLICT for words that have no code here. */
export function errorOfReply(command: string, text: string): SteleError {
  const [word = ''] = text.split(' ', 1);
  return new SteleError(CODES.get(word) ?? 'CONFLICT', `The server refused ${command}: ${text}`);
}
