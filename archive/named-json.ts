// Objects of JSON in a store. Those called `STEM-<hash>.json` are named by their content: two
// writers of one name write the same bytes, and a reader finds out whether what it has read is torn
// or altered.

import { createHash } from 'node:crypto';
import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';

/** What the objects belong to, in messages. */
export interface JsonFamily {
  /** The highest `format` that is read; the one that is written. */
  readonly format: number;
  /** As in `of the archive`. */
  readonly whole: string;
  /** What to do about a damaged object: a sentence. */
  readonly advice: string;
}

/** An object whose name follows from its bytes. */
export interface EncodedObject {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Hex digits of a SHA-256 in a name. */
const HASH_DIGITS = 32;

export function encodeJson({ format }: JsonFamily, content: object): Buffer {
  return Buffer.from(`${JSON.stringify({ format, ...content })}\n`);
}

export function encodeNamed(family: JsonFamily, stem: string, content: object): EncodedObject {
  const bytes = encodeJson(family, content);
  return { name: `${stem}-${contentHash(bytes)}.json`, bytes };
}

/** Throws CORRUPT unless `bytes` are those that the name stands for, and UNKNOWN_FORMAT. */
export function decodeNamed<Content>(
  family: JsonFamily,
  name: string,
  bytes: Buffer,
  what: string,
  isContent: (value: unknown) => value is Content,
): Content {
  if (!name.endsWith(`-${contentHash(bytes)}.json`)) {
    throw damagedObject(family, name, 'its bytes are not those that its name stands for');
  }
  return decodeJson(family, name, bytes, what, isContent);
}

/** `what` names the object's kind in messages. Throws CORRUPT, UNKNOWN_FORMAT. */
export function decodeJson<Content>(
  family: JsonFamily,
  name: string,
  bytes: Buffer,
  what: string,
  isContent: (value: unknown) => value is Content,
): Content {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (thrown) {
    throw damagedObject(family, name, 'it is not JSON', thrown);
  }
  const format: unknown = Object(value).format;
  if (typeof format === 'number' && format > family.format) {
    throw new SteleError(
      'UNKNOWN_FORMAT',
      `'${shorten(name, 200)}' has format ${format}; this Stele reads ${family.format}. Use the release that wrote it, or a newer one.`,
    );
  }
  if (format === family.format && isContent(value)) return value;
  throw damagedObject(family, name, `it is not the ${what} of ${article(family.whole)} of Stele`);
}

export function damagedObject(
  { advice, whole }: JsonFamily,
  name: string,
  why: string,
  cause?: unknown,
): SteleError {
  const text = `'${shorten(name, 200)}' of the ${whole} is damaged: ${why}. ${advice}`;
  return new SteleError('CORRUPT', text, { cause });
}

function article(word: string): string {
  return /^[aeiou]/.test(word) ? `an ${word}` : `a ${word}`;
}

function contentHash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, HASH_DIGITS);
}
