// The arguments of a command as SLOWLOG shows them: at most 32 of at most 128 bytes each, as in
// Redis, and none of a login.

import type { CommandSpec } from './command-spec.ts';
import type { CommandArguments } from '../wire/decoder.ts';

const ARGUMENTS_MAX = 32;
const ARGUMENT_BYTES_MAX = 128;
const REDACTED = Buffer.from('(redacted)');
/** Their arguments have passwords. */
const LOGINS: ReadonlySet<string> = new Set(['auth', 'hello']);

/** Copies of the arguments, the name first. */
export function shownArguments(spec: CommandSpec, command: CommandArguments): readonly Buffer[] {
  const { argc, buffer, ends, starts } = command;
  const count = argc > ARGUMENTS_MAX ? ARGUMENTS_MAX - 1 : argc;
  const isLogin = LOGINS.has(spec.name);
  const shown: Buffer[] = [];
  for (let at = 0; at < count; at++) {
    if (isLogin && at > 0) shown.push(REDACTED);
    else shown.push(shownBytes(buffer, starts[at] ?? 0, ends[at] ?? 0));
  }
  return withMore(shown, argc);
}

/** Of a command of which only the first argument is kept. */
export function shownByKey(spec: CommandSpec, key: Uint8Array, argc: number): readonly Buffer[] {
  const names = spec.name.split('|').map((word) => Buffer.from(word));
  return withMore([...names, shownBytes(key, 0, key.length)], argc);
}

function withMore(shown: Buffer[], argc: number): Buffer[] {
  const more = argc - shown.length;
  if (more > 0) shown.push(Buffer.from(`... (${more} more arguments)`));
  return shown;
}

function shownBytes(bytes: Uint8Array, start: number, end: number): Buffer {
  const more = end - start - ARGUMENT_BYTES_MAX;
  if (more <= 0) return Buffer.from(bytes.subarray(start, end));
  const head = bytes.subarray(start, start + ARGUMENT_BYTES_MAX);
  return Buffer.concat([head, Buffer.from(`... (${more} more bytes)`)]);
}
