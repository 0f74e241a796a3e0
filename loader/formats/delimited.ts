// csv and tsv: columns between delimiters, with quotes or without (parse/delimited/).

import { findDelimiter, sepLine } from '../detect/delimiter.ts';
import { readTable } from '../detect/opening.ts';
import { QUOTE, TAB, VALUE_IS_JSON } from '../input/dialect.ts';
import { countNewlines } from '../input/text.ts';
import { parseDelimited } from '../parse/delimited/parse-delimited.ts';
import { parseQuoted } from '../parse/delimited/parse-quoted.ts';
import type { ParseContext } from '../parse/parse-context.ts';
import { lineEnds, quotedEnds } from '../parse/record-ends.ts';
import { openedText, textFormat, textOpening } from './text.ts';

export const csvFormat = textFormat({
  recordEnds: quotedEnds,
  parse(context, bytes) {
    // Without a quote the rules are those of tsv, whose parser is faster.
    if (bytes.includes(QUOTE)) parseQuoted(context, bytes);
    else parseDelimited(context, bytes);
    setSource(context, bytes);
  },
  open(file, flags, hints) {
    const { head, isWhole, start } = openedText(file);
    const sep = sepLine(head, start);
    const rules = flags.rules;
    const opened = { head, isWhole, rules, format: 'csv', start: sep?.end ?? start } as const;
    const named = flags.delimiter ?? sep?.delimiter;
    const table = readTable(opened, named ?? findDelimiter(opened, hints.delimiter), hints);
    return {
      ...textOpening(file, hints.name),
      start: opened.start,
      startLine: countNewlines(head, 0, opened.start),
      table,
    };
  },
});

export const tsvFormat = textFormat({
  recordEnds: lineEnds,
  parse(context, bytes) {
    parseDelimited(context, bytes);
    setSource(context, bytes);
  },
  open(file, flags, hints) {
    const { head, isWhole, start } = openedText(file);
    const opened = { head, isWhole, start, format: 'tsv', rules: flags.rules } as const;
    const table = readTable(opened, flags.delimiter ?? TAB, hints);
    return { ...textOpening(file, hints.name), table };
  },
});

function setSource({ assembled, dialect, rows }: ParseContext, bytes: Buffer): void {
  const isAssembled = dialect.valueColumn === VALUE_IS_JSON || dialect.folderColumns !== undefined;
  rows.source = isAssembled ? assembled.bytes : bytes;
}
