// Validates JSON bodies before they are parsed: JSON.parse would create an object for each of
// millions of elements, and silently drop the first of two members of one name.

import { isUtf8 } from 'node:buffer';
import { SteleError } from '../../../base/errors.ts';
import { LOOKUP_KEYS_MAX } from '../../../base/limits.ts';

/** Elements and members of a body: a lookup's keys, and its other fields. */
const ELEMENTS_MAX = LOOKUP_KEYS_MAX + 100;
const DEPTH_MAX = 16;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses a body. Throws INVALID_ARGUMENT if it is not JSON in UTF-8, is nested too deeply, or has
 * two members of one name in an object, and BATCH_TOO_LARGE for too many elements.
 */
export function parseJsonBody(body: Buffer): unknown {
  // A decoder would substitute U+FFFD for such bytes, which would be another key than the requested
  // one.
  if (!isUtf8(body)) {
    throw invalid(
      'The body is not UTF-8. Keys and values of other bytes go as base64, with "encoding": "base64".',
    );
  }
  const text = body.toString('utf8');
  checkStructure(text);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new SteleError('INVALID_ARGUMENT', `The body is not JSON: ${(cause as Error).message}.`, {
      cause,
    });
  }
}

/** Checks structure in one pass; text that is not JSON is accepted here or refused. */
function checkStructure(text: string): void {
  /** The names so far in each open object; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let elements = 0;
  let string = '';
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = stringEnd(text, at);
        string = open.at(-1) === undefined ? '' : text.slice(at, end);
        at = end - 1;
        break;
      }
      case 0x3a: // :
        noteName(open.at(-1), string);
        break;
      case 0x2c: // ,
        if (++elements > ELEMENTS_MAX) throw tooMany();
        break;
      case 0x7b: // {
      case 0x5b: // [
        if (open.length === DEPTH_MAX) throw invalid('The body is nested too deeply.');
        open.push(text[at] === '{' ? new Set() : undefined);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        break;
      default:
    }
  }
}

/** The index after the closing quote of the string that begins at `at`. */
function stringEnd(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end + 1;
  }
  return text.length;
}

function noteName(names: Set<string> | undefined, string: string): void {
  if (names === undefined) return;
  const name = string.includes('\\') ? unescaped(string) : string;
  if (names.has(name)) {
    throw invalid(`The body has the member ${name.slice(0, 80)} twice; which one is meant?`);
  }
  names.add(name);
}

function unescaped(string: string): string {
  try {
    return `"${String(JSON.parse(string))}"`;
  } catch {
    return string;
  }
}

function invalid(text: string): SteleError {
  return new SteleError('INVALID_ARGUMENT', text);
}

function tooMany(): SteleError {
  return new SteleError(
    'BATCH_TOO_LARGE',
    `The body has more elements than a request may have; ask for at most ${LOOKUP_KEYS_MAX} keys at a time.`,
  );
}
