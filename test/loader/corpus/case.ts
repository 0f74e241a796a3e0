// One input of the corpus and what must become of it, computed by hand.

/** File contents by name; several files are loaded as one folder. */
type Files = Readonly<Record<string, string | Buffer>>;

export interface Case {
  readonly name: string;
  readonly files: Files;
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Key and value of each record, in order. */
  readonly rows?: readonly (readonly [string, string])[];
  /** Number of rejected rows beside those. */
  readonly rejected?: number;
  /**
   * Flags or other words that the refusal must name; its code is INPUT_AMBIGUOUS unless `code`
   * differs.
   */
  readonly asks?: readonly string[];
  readonly code?: string;
  /** Words that the line `input` of the summary must contain. */
  readonly tells?: readonly string[];
  /** Part of a notice that must be given. */
  readonly notice?: string;
}

/** A case of one file. */
export function one(
  name: string,
  file: string,
  text: string | Buffer,
  expected: Omit<Case, 'name' | 'files'>,
): Case {
  return { name, files: { [file]: text }, ...expected };
}

/** The text in UTF-16, with its byte order mark unless `mark` is false. */
export function utf16(text: string, order: 'le' | 'be', mark = true): Buffer {
  const bytes = Buffer.from(mark ? `\ufeff${text}` : text, 'utf16le');
  return order === 'le' ? bytes : bytes.swap16();
}
