// What is found out of the first bytes of one file, for tests.

import { DEFAULT_RULES } from '../../loader/input/dialect.ts';
import type { LoadFormat } from '../../loader/input/formats.ts';
import { RowsBelow } from '../../loader/detect/opening.ts';
import { readOpening } from '../../loader/formats/open.ts';
import type { DialectFlags } from '../../loader/detect/opening.ts';
import { settleDialects } from '../../loader/detect/settle-dialects.ts';
import type { Head } from '../../loader/detect/settle-dialects.ts';

const NO_FLAGS: DialectFlags = {
  key: undefined,
  value: undefined,
  header: 'auto',
  delimiter: undefined,
  rules: DEFAULT_RULES,
};

/** The format is taken as given. */
export function settledHead(
  head: Buffer,
  format: LoadFormat,
  flags: Partial<DialectFlags> = {},
): Head {
  const all = { ...NO_FLAGS, ...flags };
  const below = new RowsBelow();
  const opening = readOpening(head, format, all, {
    name: "'in'",
    isByEnding: false,
    isTxt: false,
    wasUtf16: false,
    delimiter: undefined,
    fileCount: 1,
    below,
  });
  return settleDialects([opening], all, below)[0]!;
}
