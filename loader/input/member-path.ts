// The members of a JSON object that are key and value, as --key and --value name them.
//
//     id            the member `id`
//     user.id       the member `id` of the object in the member `user`
//     /user.id      a path that begins with a slash is a JSON Pointer (RFC 6901): the member `user.id`
//     /a~1b/c~0d    ~1 is a slash and ~0 a tilde: the member `c~d` of the object `a/b`
//
// A path goes through objects only. Numbers in it are names: a JSON object has no first member.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';

/** Bounds the parser's depth of recursion. */
const NAMES_MAX = 16;

/** Names from the outermost in; at least one. */
export type MemberPath = readonly string[];

/** The paths of a jsonl input; undefined is the default, see parse-jsonl.ts. */
export interface MemberPaths {
  readonly key: MemberPath | undefined;
  readonly value: MemberPath | undefined;
}

/** Throws INVALID_ARGUMENT for text that is not a path. */
export function memberPath(text: string, flag: '--key' | '--value'): MemberPath {
  const names = text.startsWith('/') ? pointerNames(text, flag) : text.split('.');
  if (names.length > NAMES_MAX) {
    throw badPath(text, flag, `a path has at most ${NAMES_MAX} names`);
  }
  if (!text.startsWith('/') && names.includes('')) {
    throw badPath(text, flag, 'a name in it is empty; a name with a dot in it is written /na.me');
  }
  return names;
}

function pointerNames(text: string, flag: '--key' | '--value'): string[] {
  const names = text.slice(1).split('/');
  if (names.some((name) => /~(?![01])/.test(name))) {
    throw badPath(text, flag, 'after a slash, ~ is written ~0 and / is written ~1');
  }
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function badPath(text: string, flag: string, why: string): SteleError {
  return new SteleError('INVALID_ARGUMENT', `${flag} '${shorten(text)}' is not a path: ${why}.`);
}

/** The path in the form of a flag. */
export function pathText(path: MemberPath): string {
  const isPlain = path.every((name) => name !== '' && !name.includes('.') && !name.startsWith('/'));
  if (isPlain) return path.join('.');
  return path.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Whether a parsed line has the member. */
export function hasMember(line: object, path: MemberPath): boolean {
  let inner: unknown = line;
  for (const name of path) {
    if (!isObject(inner) || !Object.hasOwn(inner, name)) return false;
    inner = inner[name];
  }
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
