// Splits a typed line into arguments, with redis-cli's quoting, which is that of the server's
// inline commands (resp/wire/inline.ts).

import { splitInline } from '../../resp/wire/inline.ts';
import { ProtocolError } from '../../resp/wire/protocol-error.ts';

/** The arguments as bytes, text as UTF-8; undefined if the quotes do not balance. */
export function splitArguments(line: string): Buffer[] | undefined {
  const bytes = Buffer.from(line, 'utf8');
  const args: Buffer[] = [];
  const addWord = (start: number, end: number): void => {
    args.push(bytes.subarray(start, end));
  };
  try {
    splitInline(bytes, 0, bytes.length, { addWord });
    return args;
  } catch (thrown) {
    if (thrown instanceof ProtocolError) return undefined;
    throw thrown;
  }
}
