// Opens one input: which format it is of, and what it shows by itself.

import { SteleError } from '../../base/errors.ts';
import { FORMAT_NAMES } from '../format-names.ts';
import type { LoadFormat } from '../format-names.ts';
import { INPUT_HEAD_BYTES, linesSkipped, readHead } from '../detect/opening.ts';
import type { DialectFlags, HeadRules, Opening, OpeningHints } from '../detect/opening.ts';
import { formatByContent } from '../detect/text-format.ts';
import { TAB } from '../input/dialect.ts';
import { compressionOfBytes, refuseForeign } from '../input/formats.ts';
import { countNewlines, refuseOddText, textFacts, textStart } from '../input/text.ts';
import { formatNamed } from './formats.ts';
import type { FileToOpen } from './input-format.ts';

/** Whether files of the format are text. */
function isText(format: LoadFormat): boolean {
  return FORMAT_NAMES[format].magic === undefined;
}

/**
 * Throws INPUT_AMBIGUOUS if a flag must say more, INPUT_INVALID, INVALID_ARGUMENT and UNSUPPORTED.
 */
export function openInput(
  file: FileToOpen,
  format: LoadFormat,
  flags: DialectFlags,
  hints: OpeningHints,
): Opening {
  if (!isText(format)) {
    refuseTextFlags(format, flags, hints.name);
    return formatNamed(format).open({ ...file, format }, flags, hints);
  }
  const head = readHead(file.readPath, file.path, format, headRules(flags));
  refusePacked(head, hints.name);
  return readOpening(head, format, flags, hints, file);
}

/**
 * Detects what `head` shows, which comes from `readHead` and holds the whole first row. Throws
 * INPUT_AMBIGUOUS if a flag must say more, INPUT_INVALID, INVALID_ARGUMENT and UNSUPPORTED.
 */
export function readOpening(
  head: Buffer,
  byEnding: LoadFormat,
  flags: DialectFlags,
  hints: OpeningHints,
  file: FileToOpen = { readPath: '', path: '', sizeBytes: head.length },
): Opening {
  const { name } = hints;
  refuseOddText(head, name, byEnding === 'line' && !hints.isByEnding);
  const start = linesSkipped(head, textStart(head), flags.rules.skipLines);
  const format = formatOf(head, start, byEnding, flags, hints);
  const text = {
    head,
    start,
    startLine: countNewlines(head, 0, start),
    isWhole: head.length < INPUT_HEAD_BYTES,
    facts: textFacts(head, hints.wasUtf16),
  };
  return formatNamed(format).open({ ...file, format, text }, flags, hints);
}

/** The format by ending and content. With --delimiter, a file of lines is a table. */
function formatOf(
  head: Buffer,
  start: number,
  byEnding: LoadFormat,
  { delimiter, rules }: DialectFlags,
  { isByEnding, isTxt, name }: OpeningHints,
): LoadFormat {
  const isTable = byEnding === 'csv' || byEnding === 'tsv';
  if (delimiter !== undefined && !isTable) {
    if (isByEnding && byEnding === 'line') return delimiter === TAB ? 'tsv' : 'csv';
    throw noDelimiter(name, byEnding);
  }
  if (!isByEnding || (rules.comment !== '' && byEnding === 'line')) return byEnding;
  return formatByContent(head, start, byEnding, isTxt, name);
}

function noDelimiter(name: string, format: LoadFormat): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `--delimiter is for csv and tsv; ${name} is ${format}.`,
  );
}

/** Throws INVALID_ARGUMENT for flags that mean nothing for a file that is not text. */
function refuseTextFlags(
  format: LoadFormat,
  { delimiter, header, rules }: DialectFlags,
  name: string,
): void {
  if (delimiter !== undefined) throw noDelimiter(name, format);
  const flag =
    header === 'yes' || header === 'no'
      ? '--header'
      : rules.skipLines > 0
        ? '--skip-lines'
        : rules.comment !== ''
          ? '--comment'
          : rules.trims
            ? '--trim'
            : undefined;
  if (flag === undefined) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `${flag} is for text, and ${name} is ${FORMAT_NAMES[format].title ?? format}; leave it out.`,
  );
}

function headRules({ delimiter, rules }: DialectFlags): HeadRules {
  return delimiter === undefined ? rules : { ...rules, delimiter };
}

/** Throws UNSUPPORTED if the unpacked bytes are packed again, or of a format that is not text. */
function refusePacked(head: Buffer, name: string): void {
  refuseForeign(head, `${name}, unpacked,`);
  if (compressionOfBytes(head) === 'none') return;
  const text = `${name} was compressed twice; unpack it once before it is loaded.`;
  throw new SteleError('UNSUPPORTED', text);
}
