// The formats of input by name, with what tells them: endings, and the bytes at the start of those
// that have any. formats/formats.ts has what reads them.

interface FormatName {
  /** Without the dot, in lower case; the first is the usual one. */
  readonly endings: readonly string[];
  /** For formats that are not text: hex digits at the start of every file. */
  readonly magic?: string;
  /** More of that, if a text may begin with `magic`. */
  readonly telltale?: string;
  /** Whether its rows have columns that all files of a load share. */
  readonly hasColumns: boolean;
  /** Whether the end of a file tells which parts of it are needed. */
  readonly isReadFromEnd?: boolean;
  /** In sentences. */
  readonly title?: string;
}

const NAMES = {
  line: { endings: ['data', 'txt'], hasColumns: false },
  csv: { endings: ['csv'], hasColumns: true },
  tsv: { endings: ['tsv'], hasColumns: true },
  jsonl: { endings: ['jsonl', 'ndjson'], hasColumns: false },
  parquet: {
    endings: ['parquet', 'parq', 'pq'],
    magic: '50415231',
    telltale: '5041523115',
    isReadFromEnd: true,
    hasColumns: true,
    title: 'a Parquet file',
  },
  avro: { endings: ['avro'], hasColumns: true, magic: '4f626a01', title: 'an Avro file' },
} as const satisfies Record<string, FormatName>;

export type LoadFormat = keyof typeof NAMES;

export const FORMAT_NAMES: Readonly<Record<LoadFormat, FormatName>> = NAMES;
export const LOAD_FORMATS = Object.keys(NAMES) as LoadFormat[];

/** `line, csv or tsv`, for messages. */
export function listedFormats(formats: readonly string[] = LOAD_FORMATS): string {
  return `${formats.slice(0, -1).join(', ')} or ${formats.at(-1) ?? ''}`;
}

/** The format that is not text and begins with these bytes; undefined if they may be text. */
export function formatOfBytes(head: Uint8Array): LoadFormat | undefined {
  const digits = Buffer.from(head.subarray(0, 8)).toString('hex');
  return LOAD_FORMATS.find((name) => {
    const { magic, telltale = magic } = FORMAT_NAMES[name];
    return telltale !== undefined && digits.startsWith(telltale);
  });
}
