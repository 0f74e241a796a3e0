// Redis's glob patterns over bytes, for SCAN MATCH, CONFIG GET, COMMAND LIST and grants.
//
//   *  any bytes     ?  one byte     [a-c] [^a]  one byte of a class     \x  the byte x
//
// A mismatch backtracks only to the last `*`, so the time is at most pattern x text: a pattern with
// many stars cannot stall the process.

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const CLOSE = 93;
const CARET = 94;
const DASH = 45;
const BACKSLASH = 92;

/** Whether all of `text` matches all of `pattern`, optionally ignoring ASCII case. */
export function globMatches(pattern: Uint8Array, text: Uint8Array, ignoreCase = false): boolean {
  let patternAt = 0;
  let textAt = 0;
  let afterStar = -1;
  let starTextAt = 0;
  while (textAt < text.length) {
    if (pattern[patternAt] === STAR) {
      afterStar = ++patternAt;
      starTextAt = textAt;
      continue;
    }
    // The most frequent element, a byte that stands for itself, takes no call.
    if (pattern[patternAt] === text[textAt] && !isSpecial(text[textAt] as number)) {
      patternAt++;
      textAt++;
      continue;
    }
    const next = matchOne(pattern, patternAt, text[textAt] as number, ignoreCase);
    if (next >= 0) {
      patternAt = next;
      textAt++;
    } else if (afterStar >= 0) {
      patternAt = afterStar;
      textAt = ++starTextAt;
    } else {
      return false;
    }
  }
  while (pattern[patternAt] === STAR) patternAt++;
  return patternAt >= pattern.length;
}

/** Whether a byte is special in a pattern, other than `*`. */
function isSpecial(byte: number): boolean {
  return byte === QUESTION || byte === OPEN || byte === BACKSLASH;
}

/** The index after the pattern element at `at` if it matches `byte`; otherwise -1. */
function matchOne(pattern: Uint8Array, at: number, byte: number, ignoreCase: boolean): number {
  if (at >= pattern.length) return -1;
  const element = pattern[at] as number;
  if (element === QUESTION) return at + 1;
  if (element === OPEN) return matchClass(pattern, at + 1, byte, ignoreCase);
  const escaped = element === BACKSLASH && at + 1 < pattern.length;
  const literal = escaped ? (pattern[at + 1] as number) : element;
  return fold(literal, ignoreCase) === fold(byte, ignoreCase) ? at + (escaped ? 2 : 1) : -1;
}

function matchClass(pattern: Uint8Array, start: number, byte: number, ignoreCase: boolean): number {
  const negated = pattern[start] === CARET;
  const wanted = fold(byte, ignoreCase);
  let at = negated ? start + 1 : start;
  let found = false;
  while (at < pattern.length && pattern[at] !== CLOSE) {
    if (pattern[at] === BACKSLASH && at + 1 < pattern.length) at++;
    const low = fold(pattern[at] as number, ignoreCase);
    const isRange = pattern[at + 1] === DASH && at + 2 < pattern.length;
    const high = isRange ? fold(pattern[at + 2] as number, ignoreCase) : low;
    if (wanted >= Math.min(low, high) && wanted <= Math.max(low, high)) found = true;
    at += isRange ? 3 : 1;
  }
  // An unclosed class ends with the pattern, as in Redis.
  return found === negated ? -1 : Math.min(at + 1, pattern.length);
}

function fold(byte: number, ignoreCase: boolean): number {
  return ignoreCase && byte >= 65 && byte <= 90 ? byte + 32 : byte;
}
