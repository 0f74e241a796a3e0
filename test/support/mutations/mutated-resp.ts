// Malformed conversations in the Redis protocol, from a seed.

import { multibulk } from '../../resp/split.ts';
import { Mutator } from './mutations.ts';

const WORDS = [
  ...['GET', 'MGET', 'EXISTS', 'STRLEN', 'GETRANGE', 'TYPE', 'TTL', 'SCAN', 'DBSIZE', 'OBJECT'],
  ...['PING', 'ECHO', 'HELLO', 'SELECT', 'RESET', 'CLIENT', 'CLUSTER', 'COMMAND', 'CONFIG'],
  ...['INFO', 'MEMORY', 'LATENCY', 'STELE', 'SET', 'MULTI', 'EVAL', 'SUBSCRIBE', 'NOSUCH'],
];
const ARGUMENTS = [
  ...['key-1', '', '0', '-1', '3', 'MATCH', '*', 'COUNT', '9999999999', 'USAGE', 'ENCODING'],
  ...['LIST', 'INFO', 'SLOTS', 'NODES', 'KEYSLOT', 'GETKEYSINSLOT', 'DOCS', 'EXPLAIN', 'OFF'],
  ...['{tag}', '\0\r\n', 'x'.repeat(300), '\u00ff'.repeat(9)],
];
/** Replacements for headers: counts and lengths that are absurd, negative, or not numbers. */
const HEADERS = [
  ...['*-1', '*0', '*2147483647', '*4294967296', '*99999999999999999999', '*-9', '*1e3', '*+1'],
  ...[
    '$-1',
    '$0',
    '$-2',
    '$67108865',
    '$2147483648',
    '$99999999999999999999',
    '$abc',
    '$ 3',
    '$03',
  ],
  ...['*', '$', '*\0', '$\0', '!', '%2', '~1', '>1', '_', '#t', '(123', '=5', '|1', '*1\r\n*1'],
];

export class RespMutator extends Mutator {
  /** One to six commands, of which at least one byte is wrong. */
  conversation(): Buffer {
    const commands = Array.from({ length: 1 + this.below(6) }, () => this.#command());
    const bytes = Buffer.concat(commands);
    return this.below(3) === 0 ? this.#withHeader(bytes) : this.withWrongBytes(bytes);
  }

  #command(): Buffer {
    const words = Array.from({ length: this.below(5) }, () => this.pick(ARGUMENTS));
    const name = this.pick(WORDS);
    if (this.below(8) === 0) return Buffer.from(`${name} ${words.join(' ')}\r\n`, 'latin1');
    return multibulk(name, ...words);
  }

  /** Replaces one of the counts or lengths. */
  #withHeader(bytes: Buffer): Buffer {
    const text = bytes.toString('latin1');
    const headers = [...text.matchAll(/[*$]\d+(?=\r\n)/g)];
    if (headers.length === 0) return this.withWrongBytes(bytes);
    const { 0: old, index } = this.pick(headers);
    const changed = text.slice(0, index) + this.pick(HEADERS) + text.slice(index + old.length);
    return Buffer.from(changed, 'latin1');
  }
}
