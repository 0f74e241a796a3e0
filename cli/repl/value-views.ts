// A value as a person reads it: indented JSON, text, or bytes in hexadecimal. Nothing that is
// printed can change the state of a terminal.

const UTF8 = new TextDecoder('utf-8', { fatal: true });
const HEX_BYTES_PER_LINE = 16;
/** More is named, not printed. */
const HEX_BYTES_MAX = 16 * 1024;
/** Control characters but tabs and line ends; C1 controls begin escape sequences too. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /\r(?!\n)|[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g;

/**
 * Indented JSON if the value is an object or array in JSON, text if it is UTF-8, else hexadecimal.
 */
export function prettyValue(bytes: Buffer): string {
  const text = utf8Text(bytes);
  if (text === undefined) return hexDump(bytes);
  return safeText(isJsonTree(text) ? indentJson(text) : text);
}

/**
 * Bytes as `hexdump -C` prints them. Ends with a line that says how many more there are, if there
 * are more than 16 KiB.
 */
export function hexDump(bytes: Buffer): string {
  const lines: string[] = [];
  const shown = bytes.subarray(0, HEX_BYTES_MAX);
  for (let at = 0; at < shown.length; at += HEX_BYTES_PER_LINE) {
    const part = shown.subarray(at, at + HEX_BYTES_PER_LINE);
    const hex = Array.from(part, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = Array.from(part, printable).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  |${text}|`);
  }
  if (bytes.length > shown.length) lines.push(`... and ${bytes.length - shown.length} more bytes`);
  return lines.length === 0 ? '(empty)' : lines.join('\n');
}

/** `text` with its control characters but tabs and line ends written as `\xNN`. */
export function safeText(text: string): string {
  return text.replaceAll(CONTROL, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(2, '0');
    return `\\x${code}`;
  });
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
}

function utf8Text(bytes: Buffer): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

function isJsonTree(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const JSON_TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;

/**
 * Indents JSON text. Every number and string stays as it is written: parsing would round large
 * numbers.
 */
function indentJson(text: string): string {
  let out = '';
  let depth = 0;
  let before = '';
  const newLine = (): string => `\n${'  '.repeat(depth)}`;
  for (const [token] of text.matchAll(JSON_TOKEN)) {
    const closes = token === ']' || token === '}';
    if (closes) depth--;
    const isEmptyPair = closes && (before === '[' || before === '{');
    if (closes && !isEmptyPair) out += newLine();
    else if (before === '[' || before === '{' || before === ',')
      out += isEmptyPair ? '' : newLine();
    out += token === ':' ? ': ' : token;
    if (token === '[' || token === '{') depth++;
    before = token;
  }
  return out;
}
