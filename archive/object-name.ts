// The names of objects. They become paths of files and keys of buckets, so they are checked.

import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';

const NAME_CHARACTERS_MAX = 512;
const PART_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.=-]*$/;

/**
 * Checks a name: parts of letters, digits, `_`, `.`, `=` and `-`, joined by `/`, none of which
 * begins with a dot. Returns it. Throws INVALID_ARGUMENT.
 */
export function checkObjectName(name: string): string {
  const isName =
    name.length <= NAME_CHARACTERS_MAX && name.split('/').every((part) => PART_PATTERN.test(part));
  if (isName) return name;
  throw new SteleError('INVALID_ARGUMENT', `'${shorten(name)}' is not the name of an object.`);
}

/** Checks the beginning of names; it may be empty, and end within a part. */
export function checkPrefix(prefix: string): string {
  if (prefix !== '') checkObjectName(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
  return prefix;
}
