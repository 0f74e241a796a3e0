// A typed line -> arguments, with redis-cli's quoting.
//
//   word         ends at white space
//   "a b\x00\n"  \n \r \t \b \a, \xHH, and \ before any other character gives that character
//   'a b'        only \' is special
//
// A closing quote must be followed by white space or the end.

const HEX_BYTE = /^\\x([0-9a-fA-F]{2})/;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['b', '\b'],
  ['a', '\u0007'],
]);

/** The arguments as bytes; undefined when the quotes do not balance. */
export function splitArguments(line: string): Buffer[] | undefined {
  const args: Buffer[] = [];
  let at = skipSpace(line, 0);
  while (at < line.length) {
    const parts: Buffer[] = [];
    const end = readArgument(line, at, parts);
    if (end === undefined) return undefined;
    args.push(Buffer.concat(parts));
    at = skipSpace(line, end);
  }
  return args;
}

function skipSpace(line: string, from: number): number {
  let at = from;
  while (at < line.length && isSpace(line[at])) at++;
  return at;
}

function isSpace(character: string | undefined): boolean {
  return character !== undefined && /\s/.test(character);
}

/** Reads one argument from `from` into `parts`; returns the index behind it, undefined if it never ends. */
function readArgument(line: string, from: number, parts: Buffer[]): number | undefined {
  let at = from;
  while (at < line.length && !isSpace(line[at])) {
    const character = line[at] as string;
    if (character === '"' || character === "'") {
      const read = character === '"' ? readDouble : readSingle;
      const end = read(line, at + 1, parts);
      if (end === undefined || (end < line.length && !isSpace(line[end]))) return undefined;
      return end;
    }
    at = readPlain(line, at, parts);
  }
  return at;
}

/** A run of ordinary characters: whole, so that a character outside the BMP stays one. */
function readPlain(line: string, from: number, parts: Buffer[]): number {
  let at = from;
  while (at < line.length && !isSpace(line[at]) && line[at] !== '"' && line[at] !== "'") at++;
  parts.push(Buffer.from(line.slice(from, at), 'utf8'));
  return at;
}

function readDouble(line: string, from: number, parts: Buffer[]): number | undefined {
  let at = from;
  while (at < line.length) {
    if (line[at] === '"') return at + 1;
    const hex = HEX_BYTE.exec(line.slice(at, at + 4));
    if (hex !== null) {
      parts.push(Buffer.from([Number.parseInt(hex[1] as string, 16)]));
      at += 4;
    } else if (line[at] === '\\' && at + 1 < line.length) {
      const escaped = characterAt(line, at + 1);
      parts.push(Buffer.from(ESCAPES.get(escaped) ?? escaped, 'utf8'));
      at += 1 + escaped.length;
    } else {
      const character = characterAt(line, at);
      parts.push(Buffer.from(character, 'utf8'));
      at += character.length;
    }
  }
  return undefined;
}

function readSingle(line: string, from: number, parts: Buffer[]): number | undefined {
  let at = from;
  while (at < line.length) {
    if (line[at] === "'") return at + 1;
    if (line[at] === '\\' && line[at + 1] === "'") at++;
    const character = characterAt(line, at);
    parts.push(Buffer.from(character, 'utf8'));
    at += character.length;
  }
  return undefined;
}

function characterAt(line: string, at: number): string {
  return String.fromCodePoint(line.codePointAt(at) as number);
}
